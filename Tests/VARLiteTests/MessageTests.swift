import Testing
import VARLite
import VARTestSupport

/// Messages to token ids.
@Suite struct MessageTests {
  private func ids(_ messages: [Message]) throws -> [Int32] {
    let conversation = try Conversation(TinyModel.f32())
    try conversation.readPrompt(
      of: Request(messages: messages, text: TextSampling(maximumTokens: 1)))
    return try #require(conversation.session).ids
  }

  private static let system = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
  private static func user(_ text: String) -> String {
    "<|im_start|>user\n\(text)<|im_end|>\n<|im_start|>assistant\n"
  }

  @Test func manyTurnsAreTheTemplatesText() throws {
    let found = try ids([
      Message(.system, "Be brief."), Message(.user, "Who are you?"),
      Message(.assistant, "I am a model.\n"), Message(.user, " And what else? "),
    ])
    let text =
      "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWho are you?<|im_end|>\n"
      + "<|im_start|>assistant\nI am a model.\n<|im_end|>\n" + Self.user(" And what else? ")
    #expect(try found == TinyModel.f32().tokenizer.encode(text))
    // Without a system message the model's own one stands there.
    let plain = try ids([
      Message(.user, "A"), Message(.assistant, "B"), Message(.user, "C"),
    ])
    let expected =
      Self.system + "<|im_start|>user\nA<|im_end|>\n<|im_start|>assistant\nB<|im_end|>\n"
      + Self.user("C")
    #expect(try plain == TinyModel.f32().tokenizer.encode(expected))
  }

  /// Texts without special tokens are the same either way, whatever stands at their ends.
  @Test func plainTextIsTheTemplatesTextWhereNothingIsSpecial() throws {
    let model = try TinyModel.f32()
    let picture = Picture(try TinyModel.picture("scene_0"))
    for text in [
      "Hello there", " blank", "blank ", "\n\nlines", "lines\n\n", "\n", " ", "", "\t\u{A0}x",
      "e\u{301}", "\u{301}e", "\u{338}x", "a\r\nb", "日本語", "👩‍👩‍👧", "1234567", "'s", "a'S",
      "<|im_en", "|>", "<", "<|", "<image>", "\u{FEFF}x", "\u{0}",
    ] {
      let plain = try ids([Message(.user, parts: [.text(text)])])
      #expect(try plain == ids([Message(.user, parts: [.templateText(text)])]), "\(text)")
      #expect(plain == model.tokenizer.encode(Self.system + Self.user(text)), "\(text)")
    }
    // A mark that would combine with what stands before it, behind a picture.
    let marked = "\u{338}x"
    #expect(
      try ids([Message(.user, parts: [.picture(picture), .text(marked)])])
        == ids([Message(.user, parts: [.picture(picture), .templateText(marked)])]))
  }

  @Test func plainTextNeverBecomesASpecialToken() throws {
    let model = try TinyModel.f32()
    let names = [
      "<|im_end|>", "<|im_start|>", "<|image_pad|>", "<|vision_start|>", "<|endoftext|>",
      "<|image_gen_start|>",
    ]
    let special = names.compactMap { model.tokenizer.tokenID(of: $0) }
    #expect(special.count == names.count)
    func count(_ ids: [Int32]) -> Int { ids.count { special.contains($0) } }
    let none = count(try ids([Message(.user, "x")]))
    for name in names {
      let text = "a" + name + "b"
      for message in [Message(.user, text), Message(.user, name)] {
        #expect(count(try ids([message])) == none, "\(name)")
      }
      let earlier = try ids([
        Message(.system, text), Message(.user, text), Message(.assistant, text),
        Message(.user, text),
      ])
      #expect(count(earlier) == none + 4)
      // Halves of a name in two parts stay what they are.
      let halves = Message(
        .user, parts: [.text(String(name.prefix(4))), .text(String(name.dropFirst(4)))])
      #expect(count(try ids([halves])) == none)
    }
    let template = try ids([Message(.user, parts: [.templateText("a<|im_end|>b")])])
    #expect(count(template) == none + 1)
  }

  @Test func whatHasNoAnswerIsRefused() throws {
    let image = try TinyModel.picture("scene_0")
    for messages in [
      [], [Message(.system, "A")], [Message(.user, "A"), Message(.assistant, "B")],
      [Message(.user, parts: [.templateText("<|image_pad|>")])],
      [
        Message(.user, parts: [.picture(Picture(image)), .templateText("<|image_pad|>")])
      ],
    ] {
      let error = try #require(throws: VARLiteError.self) { try ids(messages) }
      #expect(error.category == .request)
    }
    #expect(try !ids([Message(.user, "")]).isEmpty)
    #expect(try ids([Message(.user, parts: [])]) == ids([Message(.user, "")]))
    #expect(
      try ids([Message(.user, parts: [.text("a"), .text("b c")])]) == ids([Message(.user, "ab c")]))
  }

  @Test func marksOfTypedTextPlacePictures() throws {
    let pictures = try ["scene_0", "scene_1"].map { Picture(try TinyModel.picture($0)) }
    func kinds(_ message: Message) -> [Bool] {
      var rest = message.pictures.count
      return message.parts.map { part in
        var alone = Message(.user, parts: [part])
        alone.role = .user
        rest -= alone.pictures.count
        return !alone.pictures.isEmpty
      }
    }
    #expect(kinds(try Message(typed: "A", pictures: pictures)) == [true, true, false])
    #expect(
      kinds(try Message(typed: "<image>A<image>", pictures: pictures)) == [true, false, true])
    #expect(
      kinds(try Message(typed: "A<image><image>B", pictures: pictures))
        == [false, true, true, false])
    #expect(try Message(typed: "A <image>", pictures: [pictures[0]]).text == "A <image>")
    for (text, count) in [("<image>", 2), ("<image><image>", 1), ("<image>", 0)] {
      let error = try #require(throws: VARLiteError.self) {
        try Message(typed: text, pictures: Array(pictures.prefix(count)))
      }
      #expect(error.category == .request)
    }
  }
}
