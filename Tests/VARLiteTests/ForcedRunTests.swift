import Testing
import VARForcedRun
import VARKernels
import VARLite
import VARModels
import VARTestSupport

/// What a forced run says and shows is what requests compute, token by token.
@Suite struct ForcedRunTests {
  /// Keeps what a run says and what goes into some of its layers.
  private final class Watcher: ForcedRunWatcher {
    let wantsWordLogits = true
    private(set) var words: [[Int]] = []
    private(set) var bits: [[UInt8]] = []
    private(set) var inputs: [Int: [Float]] = [:]

    func observe(_ site: LinearSite, _ input: Rows) {
      for row in 0..<input.count {
        inputs[site.tensor, default: []] += UnsafeBufferPointer(
          start: input[row], count: input.columns)
      }
    }

    func see(wordLogits: Rows, ofCase index: Int) {
      if words.count == index { words.append([]) }
      words[index] += (0..<wordLogits.count).map { row in
        let values = UnsafeBufferPointer(start: wordLogits[row], count: wordLogits.columns)
        return values.indices.max { values[$0] < values[$1] } ?? -1
      }
    }

    func see(bitLogits: Rows, scale: Int, ofCase index: Int) {
      bits.append(
        stride(from: 0, to: bitLogits.values.count, by: 2).map {
          bitLogits.values[$0 + 1] > bitLogits.values[$0] ? 1 : 0
        })
    }
  }

  private final class Inputs: LinearObserver {
    private(set) var inputs: [Int: [Float]] = [:]

    func observe(_ site: LinearSite, _ input: Rows) {
      for row in 0..<input.count {
        inputs[site.tensor, default: []] += UnsafeBufferPointer(
          start: input[row], count: input.columns)
      }
    }
  }

  private func run(_ model: Model, _ item: PreparedCase) throws -> Watcher {
    let watcher = Watcher()
    var options = ForcedRun.Options(isCancelled: { false }, progress: { _, _, _ in })
    options.kvType = model.kvType
    try ForcedRun(model, cases: [item], options, watcher: watcher).run()
    return watcher
  }

  @Test(arguments: ["f32", "balanced"], ["f32", "f16", "int8"])
  func bitsAreThoseOfADrawing(recipe: String, kvType: String) throws {
    let model = try Model(
      path: TinyModel.path(recipe: recipe), options: .init(kvType: KVType(rawValue: kvType)))
    let picture = Picture(try TinyModel.picture("img_a"))
    var request = Request("Please paint a red circle.", drawing: DrawingRequest(isGreedy: true))
    request.drawing?.start = .atOnce
    request.drawing?.size = ForcedSchedule(model.configuration).size
    let item = try PreparedCase(ForcedCase(request, answer: "", picture: picture), model)
    let bits = try #require(item.bits)
    let drawn = try model.run(request, instruments: Instruments(forcedBits: bits))
    let forced = try run(model, item)
    #expect(forced.bits == drawn.ownBits)
    #expect(forced.bits.joined().count { $0 == 1 } > 0)
  }

  /// The words of an answer, each behind those before it, are what the model would go on with.
  @Test func wordsAreThoseOfAnAnswer() throws {
    let model = try TinyModel.f32()
    let picture = Picture(try TinyModel.picture("img_a"))
    let seen = Inputs()
    let request = Request("What is in the picture?", pictures: [picture])
    let recorder = TraceRecorder()
    let answer = try model.run(
      request, instruments: Instruments(recorder: recorder, observer: seen))
    let item = try PreparedCase(ForcedCase(request, answer: answer.text), model)
    let forced = try run(model, item)
    let words = try #require(forced.words.first)
    #expect(words.count == item.ids.count - item.answerStart)
    // Tokens of the text need not be those that were drawn, but the first follows the same prompt.
    let drawn = try #require(recorder.tensor("greedy_ids")).bytes
    #expect(drawn.withUnsafeBytes { $0.loadUnaligned(as: Int64.self) } == words[0])
    // The prompt's rows and those of the picture go into the layers as in the request.
    for tensor in model.tensors where tensor.kind == .matrix && tensor.layer == 0 {
      guard let index = model.file.tensorIndex(named: tensor.name),
        let expected = seen.inputs[index]
      else { continue }
      let count =
        tensor.component == .vision ? expected.count : item.answerStart * tensor.shape[1]
      #expect(forced.inputs[index]?.prefix(count) == expected.prefix(count), "\(tensor.name)")
    }
  }

  /// A run that goes on from any layer ends with the same bits.
  @Test func itGoesOnFromAnyLayer() throws {
    let model = try TinyModel.f32()
    let picture = Picture(try TinyModel.picture("img_a"))
    let edit = ForcedCase(
      Request("Make it blue.", pictures: [picture]), answer: "Here:", picture: picture)
    let cases = [try PreparedCase(edit, model)]
    final class Keeper: ForcedRunWatcher {
      var states: [ForcedRunState] = []
      var bits: [[Float]] = []
      func observe(_ site: LinearSite, _ input: Rows) {}
      func offer(_ state: () -> ForcedRunState) { states.append(state()) }
      func see(bitLogits: Rows, scale: Int, ofCase index: Int) {
        bits.append(Array(bitLogits.values))
      }
    }
    let options = ForcedRun.Options(isCancelled: { false }, progress: { _, _, _ in })
    let whole = Keeper()
    try ForcedRun(model, cases: cases, options, watcher: whole).run()
    #expect(Set(whole.states.map(\.stage)) == Set(ForcedRunState.Stage.allCases))
    for state in whole.states {
      let rest = Keeper()
      try ForcedRun(model, cases: cases, options, watcher: rest).run(from: state)
      #expect(rest.bits == whole.bits, "\(state.stage) \(state.layer)")
    }
  }
}
