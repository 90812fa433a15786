import Testing
import VARLite
import VARModels
import VARTestSupport

/// A long prompt goes through the layers in several passes; caches may be of fewer bits.
@Suite struct PrefillTests {
  private static func prompt() throws -> Prompt {
    let text = (0..<60).map { "Word \($0) of a long text." }.joined(separator: " ")
    let pictures = try ["scene_1", "scene_4"].map { try TinyModel.picture($0) }
    return Prompt("Look: <image> " + text + " <image> What is it?", images: pictures)
  }

  private func logits(_ model: Model, rowsPerPass: Int?) throws -> [Float] {
    let conversation = try Conversation(
      model, instruments: Instruments(rowsPerPass: rowsPerPass))
    try conversation.append(Self.prompt())
    let session = try #require(conversation.session)
    #expect(session.ids.count > 600)
    return Array(try session.nextLogits(conversation.run))
  }

  @Test(arguments: ["f32", "balanced"])
  func passesDoNotMatter(recipe: String) throws {
    let model = try Model(path: TinyModel.path(recipe: recipe))
    let whole = try logits(model, rowsPerPass: nil)
    #expect(whole.allSatisfy { $0.isFinite })
    for rows in [37, 256, 300] {
      #expect(try logits(model, rowsPerPass: rows) == whole, "\(rows) rows in a pass")
    }
  }

  @Test func aPlaceholderOfTheModelsOwnIsATokenLikeAnyOther() throws {
    let model = try TinyModel.f32()
    let conversation = try Conversation(model)
    try conversation.append(Prompt("What is it?", images: [TinyModel.picture("scene_1")]))
    let session = try #require(conversation.session)
    let tokens = model.configuration.specialTokens
    let ids = [tokens.visionStart, tokens.imagePad, tokens.imagePad].map { Int32($0) }
    try session.append(ids, pictures: [], conversation.run)
    #expect(try session.nextLogits(conversation.run).allSatisfy { $0.isFinite })
  }

  /// fp16 keeps 11 bits of a key or value; 5e-3 is ten times its unit in the last place at 1. int8 is off by at most
  /// half of 1/127 of a head's largest number, 4e-3.
  @Test(arguments: [(KVType.f16, Float(5e-3)), (.int8, 4e-2)])
  func narrowCachesStayClose(type: VARModels.KVType, bound: Float) throws {
    let path = try TinyModel.path(recipe: "f32")
    let full = try logits(Model(path: path), rowsPerPass: nil)
    let narrow = try logits(Model(path: path, options: .init(kvType: type)), rowsPerPass: nil)
    let largest = full.map(abs).max()!
    let worst = zip(full, narrow).map { abs($0 - $1) }.max()!
    #expect(worst > 0 && worst <= bound * largest, "\(worst) of \(largest)")
  }

  @Test(arguments: [(KVType.f16, 1), (.int8, 2)])
  func narrowCachesDrawAlmostTheSameBits(type: VARModels.KVType, percent: Int) throws {
    let path = try TinyModel.path(recipe: "f32")
    let options = DrawingRequest(cfgScale: 3, tau: 0.5, isGreedy: true)
    let prompt = Prompt("Please paint a red circle.")
    let full = try Model(path: path).draw(prompt, options: options, .atOnce)
    let narrow = try Model(path: path, options: .init(kvType: type))
      .draw(prompt, options: options, .atOnce, instruments: Instruments(forcedBits: full.bits))
    let pairs = zip(full.bits.joined(), narrow.ownBits.joined())
    let count = full.bits.reduce(0) { $0 + $1.count }
    let different = pairs.count { $0 != $1 }
    #expect(different * 100 <= count * percent, "\(different) of \(count) bits")
    #expect(narrow.bits == full.bits && narrow.image == full.image)
  }
}
