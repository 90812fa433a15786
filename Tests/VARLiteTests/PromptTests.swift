import Testing
import VARLite
import VARTestSupport
import VARVision

/// Where pictures stand in a turn.
@Suite struct PromptTests {
  private func rendered(_ prompt: Prompt) throws -> String {
    let model = try TinyModel.f32()
    let conversation = try Conversation(model)
    try conversation.append(prompt)
    let ids = try #require(conversation.session).ids
    let pad = Int32(model.configuration.specialTokens.imagePad)
    // One placeholder for each picture.
    let shortened = ids.enumerated().filter { $0.element != pad || ids[$0.offset - 1] != pad }
    return model.tokenizer.decode(shortened.map(\.element))
  }

  private static let picture = "<|vision_start|><|image_pad|><|vision_end|>"
  private func turn(_ text: String) -> String {
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n\(text)"
      + "<|im_end|>\n<|im_start|>assistant\n"
  }

  @Test func picturesStandBeforeTheText() throws {
    let images = try ["scene_0", "scene_1"].map { try TinyModel.picture($0) }
    #expect(
      try rendered(Prompt("Compare.", images: images))
        == turn(Self.picture + Self.picture + "Compare."))
  }

  @Test func marksSayWherePicturesGo() throws {
    let images = try ["scene_0", "scene_1"].map { try TinyModel.picture($0) }
    #expect(
      try rendered(Prompt("Is <image> like <image>", images: images))
        == turn("Is " + Self.picture + " like " + Self.picture))
    #expect(
      try rendered(Prompt("<image><image>Compare <imag e>.", images: images))
        == turn(Self.picture + Self.picture + "Compare <imag e>."))
  }

  @Test func aSystemMessageReplacesTheDefault() throws {
    #expect(
      try rendered(Prompt("Hi", system: "Be brief."))
        == "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
        + "<|im_start|>assistant\n")
  }

  @Test(arguments: ["<image> and <image>", "two <|image_pad|>", "<|vision_start|><|image_pad|>"])
  func placesAndPicturesMustAgree(text: String) throws {
    let picture = try TinyModel.picture("scene_0")
    for images in [[picture], []] {
      #expect {
        try rendered(Prompt(text, images: images))
      } throws: {
        ($0 as? VARLiteError)?.category == .request
      }
    }
  }
}
