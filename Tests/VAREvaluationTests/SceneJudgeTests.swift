import Testing
import VAREvaluation
import VARTestSupport
import VARVision

@Suite struct SceneJudgeTests {
  static let set = try! EvaluationSet(directory: Fixtures.path("shapes-eval"))
  static let judge = SceneJudge(set: set)

  static func target(_ drawing: EvaluationSet.DrawingCase) throws -> RGBImage {
    try ImageDecoder.decode(path: set.path(drawing.target))
  }

  @Test func everyTrueRenderingIsExact() throws {
    #expect(Self.set.generations.count == 200 && Self.set.edits.count == 200)
    var failures: [String] = []
    for drawing in Self.set.generations + Self.set.edits {
      let verdict = try Self.judge.judge(try Self.target(drawing), against: drawing.scene)
      if !verdict.isExact { failures.append("\(drawing.id): \(verdict)") }
    }
    #expect(failures.isEmpty, "\(failures)")
  }

  @Test func everySourceOfAnEditIsWrong() throws {
    for drawing in Self.set.edits {
      let source = try #require(drawing.source)
      let image = try ImageDecoder.decode(path: Self.set.path(source))
      let verdict = try Self.judge.judge(image, against: drawing.scene)
      #expect(!verdict.isExact, "\(drawing.id)")
      switch drawing.kind {
      case "recolor": #expect(verdict.objects.count { !$0.isColorRight } == 1, "\(drawing.id)")
      case "remove": #expect(verdict.extraObjectCount == 1, "\(drawing.id)")
      case "add": #expect(verdict.objects.count { !$0.isExact } == 1, "\(drawing.id)")
      case "resize": #expect(verdict.objects.count { !$0.isSizeRight } == 1, "\(drawing.id)")
      case "move":
        #expect(verdict.extraObjectCount == 1, "\(drawing.id)")
        #expect(verdict.objects.count { !$0.isExact } == 1, "\(drawing.id)")
      // Two backgrounds may share their ends and differ in the middle only.
      default: #expect(["replace", "background"].contains(drawing.kind))
      }
    }
  }

  @Test func picturesOfOtherScenesAreWrong() throws {
    let drawings = Self.set.generations
    for (index, drawing) in drawings.enumerated() {
      let other = drawings[(index + 1) % drawings.count]
      guard other.scene != drawing.scene else { continue }
      let verdict = try Self.judge.judge(try Self.target(other), against: drawing.scene)
      #expect(!verdict.isExact, "\(drawing.id) against \(other.id)")
    }
  }

  @Test func noiseIsToleratedAndBlanknessIsNot() throws {
    var generator = SplitMix64(seed: 7)
    for drawing in Self.set.generations.prefix(50) {
      var image = try Self.target(drawing)
      for index in image.pixels.indices {
        let noise = Int.random(in: -20...20, using: &generator)
        image.pixels[index] = UInt8(min(255, max(0, Int(image.pixels[index]) + noise)))
      }
      #expect(try Self.judge.judge(image, against: drawing.scene).isExact, "\(drawing.id)")
      let blank = RGBImage(width: 96, height: 96, pixels: Array(repeating: 245, count: 96 * 96 * 3))
      let verdict = try Self.judge.judge(blank, against: drawing.scene)
      #expect(verdict.objects.allSatisfy { !$0.isExact }, "\(drawing.id)")
    }
  }

  @Test func otherExtentsAreRefused() throws {
    let image = RGBImage(width: 95, height: 96, pixels: Array(repeating: 0, count: 95 * 96 * 3))
    #expect {
      try Self.judge.judge(image, against: Self.set.generations[0].scene)
    } throws: { ($0 as? EvaluationError)?.code == .wrongImageSize }
  }
}
