import Testing
import VARKernels
import VARLite
import VARModels
import VARTestSupport

/// An observer sees the input of every linear layer and changes nothing.
@Suite struct ObserverTests {
  /// Rows of each call, in order.
  private final class SeenInputs: LinearObserver {
    var rows: [LinearSite: [Int]] = [:]
    var columns: [LinearSite: Int] = [:]
    var areFinite = true

    func observe(_ site: LinearSite, _ input: Rows) {
      rows[site, default: []].append(input.count)
      columns[site] = input.columns
      for row in 0..<input.count {
        areFinite = areFinite && (0..<input.columns).allSatisfy { input[row][$0].isFinite }
      }
    }
  }

  /// The weights of all linear layers of some parts of the model.
  private func matrices(
    _ model: Model, _ components: Set<TensorSpecification.Component>
  ) -> [TensorSpecification] {
    model.configuration.tensors.filter {
      $0.kind == .matrix && components.contains($0.component)
    }
  }

  private func blocks(_ count: Int) -> [Int] { Compute.rowBlocks(count).map(\.count) }

  private func expect(
    _ seen: SeenInputs, of conversation: Conversation, _ expected: [String: [Int]],
    in matrices: [TensorSpecification]
  ) {
    #expect(seen.areFinite)
    #expect(Set(expected.keys) == Set(matrices.map(\.name)))
    let names = seen.rows.keys.map { conversation.weights.name(of: $0) }
    #expect(Set(names) == Set(expected.keys))
    let inputs = Dictionary(matrices.map { ($0.name, $0.shape[1]) }) { first, _ in first }
    for (site, rows) in seen.rows {
      let name = conversation.weights.name(of: site)
      #expect(rows == expected[name], "\(name)")
      #expect(seen.columns[site] == inputs[name], "\(name)")
    }
  }

  /// Two passes over a long prompt, a token, and the logits after it.
  @Test(arguments: ["f32", "balanced"]) func textIsSeen(recipe: String) throws {
    let model = try Model(path: TinyModel.path(recipe: recipe))
    let text = (0..<25).map { "Word \($0) of a long text." }.joined(separator: " ")
    func logits(_ observer: SeenInputs?) throws -> ([Float], Conversation, promptCount: Int) {
      let conversation = try Conversation(
        model, instruments: Instruments(observer: observer, rowsPerPass: 300))
      try conversation.append(Prompt(text))
      let session = try #require(conversation.session)
      let count = session.ids.count
      try session.append(7, conversation.run)
      return (Array(try session.nextLogits(conversation.run)), conversation, count)
    }
    let seen = SeenInputs()
    let (found, conversation, count) = try logits(seen)
    try #require((301..<600).contains(count))
    let layers = matrices(model, [.llm])
    // The embedding where the model has no head of its own.
    let head = matrices(model, [.llmHead, .llmEmbedding])
    var expected = [String: [Int]]()
    for layer in layers { expected[layer.name] = blocks(300) + blocks(count - 300) + [1] }
    for layer in head { expected[layer.name] = [1] }
    expect(seen, of: conversation, expected, in: layers + head)
    #expect(try logits(nil).0.map(\.bitPattern) == found.map(\.bitPattern))
  }

  @Test func picturesAreSeen() throws {
    let model = try TinyModel.f32()
    let seen = SeenInputs()
    let conversation = try Conversation(model, instruments: Instruments(observer: seen))
    try conversation.append(Prompt("A", images: [TinyModel.picture("scene_1")]))
    let session = try #require(conversation.session)
    let placeholder = Int32(model.configuration.specialTokens.imagePad)
    let patches = 4 * session.ids.count { $0 == placeholder }
    let layers = matrices(model, [.vision])
    var expected = [String: [Int]]()
    for layer in layers {
      expected[layer.name] =
        layer.group == .visionMerger ? blocks(patches).map { $0 / 4 } : blocks(patches)
    }
    for layer in matrices(model, [.llm]) { expected[layer.name] = blocks(session.ids.count) }
    expect(seen, of: conversation, expected, in: layers + matrices(model, [.llm]))
  }

  /// With guidance and without.
  @Test(arguments: [3.0, 1.0], ["f32", "balanced"])
  func drawingIsSeen(cfgScale: Double, recipe: String) throws {
    let model = try Model(path: TinyModel.path(recipe: recipe))
    let options = DrawingRequest(cfgScale: cfgScale, tau: 0.5, seed: 7)
    let seen = SeenInputs()
    var request = Request("Please paint a red circle.", drawing: options)
    request.drawing?.start = .atOnce
    let conversation = try Conversation(model, instruments: Instruments(observer: seen))
    let drawn = try conversation.answer(request)
    // The token that starts the picture is read behind the prompt, and is no text.
    let textCount = drawn.usage.promptTokens

    let branches = cfgScale == 1 ? 1 : 2
    let scales = model.configuration.schedule.scales.map(\.tokenCount)
    let rows = scales.flatMap { blocks(branches * $0) }
    let context = blocks(textCount)
    // A row for each branch first, then the same rows for both.
    let embedded = scales.dropFirst().flatMap { blocks($0) }
    let layers = matrices(model, [.llm, .projector, .generator])
    var expected = [String: [Int]]()
    for layer in layers {
      expected[layer.name] = (layer.component == .llm ? context + [1] : []) + rows
    }
    for index in 0..<model.configuration.generator.depth {
      expected["vargpt_gen.blocks.\(index).ca.mat_kv.weight"] =
        context + (branches == 2 ? context : [])
    }
    expected["vargpt_gen.word_embed.weight"] = embedded
    for layer in ["mlp.0.weight", "mlp.2.weight"] {
      expected["image_gen_projector.\(layer)"] = [branches] + embedded
      expected["image_gen_projector_out.\(layer)"] = context + rows
    }
    expect(seen, of: conversation, expected, in: layers)

    let unseen = try model.draw(
      Prompt("Please paint a red circle."), options: options, .atOnce)
    #expect(unseen.bits == drawn.bits && unseen.image == drawn.image)
  }
}
