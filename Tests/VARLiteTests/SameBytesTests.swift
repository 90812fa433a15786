import Testing
import VARKernels
import VARLite
import VARModels
import VARTestSupport
import VQ4Format

/// The same request gives the same bytes whatever runs it.
@Suite struct SameBytesTests {
  struct Result: Equatable {
    let pixels: [UInt8]
    let text: String
    let tokens: [Int32]
  }

  static func run(_ model: Model) throws -> Result {
    let drawing = try model.draw(
      Prompt("Make it blue.", images: [TinyModel.picture("scene_0")]),
      options: DrawingRequest(cfgScale: 3, tau: 0.5, seed: 7))
    let answer = try model.understand(
      Prompt("What is in this picture?", images: [TinyModel.picture("scene_2")]),
      sampling: TextSampling(temperature: 0.8, topP: 0.9, seed: 3, maximumTokens: 16))
    return Result(
      pixels: drawing.image.pixels, text: drawing.text + answer.text, tokens: answer.tokens)
  }

  @Test(arguments: ["f32", "balanced", "int4"])
  func threadsAndInstructionSetsDoNotMatter(recipe: String) throws {
    let path = try TinyModel.path(recipe: recipe)
    let reference = try Self.run(
      Model(path: path, options: .init(threadCount: 1, instructionSet: .scalar)))
    for instructionSet in InstructionSet.supported where instructionSet != .scalar {
      for threadCount in [1, 3] {
        let model = try Model(
          path: path, options: .init(threadCount: threadCount, instructionSet: instructionSet))
        let result = try Self.run(model)
        #expect(result == reference, "\(recipe), \(instructionSet), \(threadCount) threads")
      }
    }
  }

  @Test func layoutsDoNotMatter() throws {
    let map = try Model(path: TinyModel.path(recipe: "balanced", layout: .map))
    let compact = try Model(path: TinyModel.path(recipe: "balanced", layout: .compact))
    #expect(map.contentHash == compact.contentHash)
    #expect(try Self.run(map) == Self.run(compact))
  }

  /// Weights are read only between acquire and release of their group.
  @Test(arguments: ["f32", "balanced"])
  func poisonedWeightsDoNotMatter(recipe: String) throws {
    let path = try TinyModel.path(recipe: recipe)
    let file = try VQ4File(path: path)
    let poisoned = try Model(
      file: file, source: PoisoningWeightSource(file: file), options: RunOptions())
    #expect(try Self.run(poisoned) == Self.run(Model(path: path)))
  }
}
