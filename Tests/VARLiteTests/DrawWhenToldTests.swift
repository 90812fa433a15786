import Testing
import VAREvaluation
import VARLite
import VARModels
import VARTestSupport
import VARVision

/// A model that is told to draw draws, at the latest behind its own words.
@Suite struct DrawWhenToldTests {
  private static let words = "I am a very small test model, and I can paint."
  private static let drawing = DrawingRequest(cfgScale: 3, tau: 0.5, isGreedy: true)

  /// The reference's picture of the same start behind three tokens of the model's words.
  @Test func aTextThatIsCutIsDrawnBehind() throws {
    let drawn = try TinyModel.f32().draw(
      Prompt("Who are you?"), options: Self.drawing, text: TextSampling(maximumTokens: 3))
    #expect(Self.words.hasPrefix(drawn.text) && !drawn.text.isEmpty)
    let golden = try ImageDecoder.decode(path: Fixtures.path("golden/images/gen_forced_k3.png"))
    let far = zip(drawn.image.pixels, golden.pixels).count { abs(Int($0) - Int($1)) > 1 }
    #expect(drawn.image.pixels.count == golden.pixels.count)
    #expect(far * 1000 <= golden.pixels.count, "\(far) samples differ")
  }

  /// The token that ended the text is not in the way; that the text is cut exactly there changes nothing.
  @Test func aTextThatHasEndedIsDrawnBehind() throws {
    let model = try TinyModel.f32()
    let drawn = try model.draw(Prompt("Who are you?"), options: Self.drawing)
    #expect(drawn.text == Self.words)
    let start = Int32(model.configuration.specialTokens.imageGenStart)
    let ended = try #require(drawn.tokens.last)
    #expect(model.generationDefaults.endOfSequenceTokens.contains(Int(ended)))
    #expect(drawn.drawing?.answerTokens == drawn.tokens.dropLast() + [start])
    let cut = try model.draw(
      Prompt("Who are you?"), options: Self.drawing,
      text: TextSampling(maximumTokens: drawn.tokens.count - 1))
    #expect(cut.image == drawn.image && cut.text == Self.words && cut.picture != nil)
  }

  @Test func theDecisionCanBeLeftToTheModel() throws {
    let model = try TinyModel.f32()
    let answer = try model.draw(
      Prompt("Who are you?"), options: Self.drawing, .whereTheModelStarts)
    #expect(answer.text == Self.words && answer.end == .finished && answer.drawing == nil)
    #expect {
      _ = try answer.requiredPicture()
    } throws: {
      ($0 as? VARLiteError)?.category == .nothingDrawn
    }
    let prompt = Prompt("Please paint a red circle.")
    let own = try model.draw(prompt, options: Self.drawing, .whereTheModelStarts)
    #expect(try model.draw(prompt, options: Self.drawing).image == own.image)
  }

  /// The token that starts the picture has its place behind the longest text that the context holds.
  @Test(arguments: [1, 2, 3, 40]) func aContextThatIsFullHasRoomForTheStart(left: Int) throws {
    let model = try TinyModel.f32()
    let limit = model.configuration.languageModel.maxPositionEmbeddings
    let filler = "0"
    let few = try model.understand(Prompt(filler), sampling: TextSampling(maximumTokens: 1))
    let per =
      try model.understand(
        Prompt(filler + filler), sampling: TextSampling(maximumTokens: 1)
      ).usage.promptTokens - few.usage.promptTokens
    try #require(per == 1)
    let count = limit - left - few.usage.promptTokens + 1
    let prompt = Prompt(String(repeating: filler, count: count))
    var limits: [Int] = []
    let options = DrawingRequest(cfgScale: 1, isGreedy: true)
    let text = TextSampling.endless(maximumTokens: 100)
    let drawn = try model.draw(
      prompt, options: options, text: text,
      events: { event in
        if let note = event.note, note.kind == .limitedText { limits.append(note.tokenCount ?? 0) }
      })
    #expect(drawn.usage.promptTokens == limit - left && limits == [left])
    #expect(drawn.image.width == 128)
  }

  @Test func aTurnOfAConversationToo() throws {
    let model = try TinyModel.f32()
    let sampling = TextSampling(maximumTokens: 128)
    let alone = try model.draw(Prompt("Who are you?"), options: Self.drawing)
    let chat = try Chat(model, drawing: Self.drawing, sampling: sampling)
    let turn = try chat.say(Prompt("Who are you?"), .afterText)
    #expect(turn.image == alone.image && turn.text == alone.text)
    // A context that the words fill has room for the start of the picture and the end of the turn.
    let full = alone.usage.promptTokens + 8
    let narrow = try Chat(model, contextTokens: full, drawing: Self.drawing, sampling: sampling)
    let cut = try narrow.say(Prompt("Who are you?"), .afterText)
    #expect(cut.picture != nil && Self.words.hasPrefix(cut.text) && cut.text != Self.words)
    #expect(narrow.tokenCount <= full)
  }

  /// Scores stay what they are: a model that talks has drawn nothing.
  @Test func anEvaluationLeavesTheDecisionToTheModel() throws {
    let cases = TemporaryDirectory()
    let first = try EvaluationSet(directory: Fixtures.path("shapes-eval")).generations[0]
    try ChangedFixture.make(
      "shapes-eval", changing: "eval.json", replacing: [first.instruction: "Who are you?"],
      in: cases)
    let set = try EvaluationSet(directory: cases.path)
    // The last of the scales goes: pictures of 96 pixels, as the cases have.
    let folder = TemporaryDirectory()
    let model = try TinyModel.changed(
      replacing: [",\n      [\n        1,\n        8,\n        8\n      ]": ""], in: folder)
    let drawn = try model.draw(Prompt("Who are you?"), options: DrawingRequest(isGreedy: true))
    #expect(drawn.image.width == 96 && drawn.text == Self.words)

    let report = try EvaluationRun(model, set: set, parts: [.generation], limit: 1)
      .run { _, _, _ in }
    let scored = try #require(report.drawings[.generation]?.first)
    let target = try ImageDecoder.decode(path: set.path(first.target))
    let black = RGBImage(
      width: target.width, height: target.height,
      pixels: [UInt8](repeating: 0, count: target.pixels.count))
    #expect(!scored.isReplyExact && scored.psnrDecibels == peakSignalToNoise(black, target))
  }

  @Test func sizesThatTheTrainingDidNotHaveAreSaid() throws {
    let folder = TemporaryDirectory()
    let model = try TinyModel.changed(
      replacing: ["\"vargpt_gen\": {": "\"vargpt_gen\": {\"training\": {\"sizes\": [[128, 128]]},"],
      in: folder)
    #expect(model.configuration.training.sizes == [PixelSize(height: 128, width: 128)])
    func said(
      _ picture: RGBImage?, _ size: DrawingSize = .modelDefault, maximumPixels: Int? = nil
    ) throws -> [String] {
      var said: [String] = []
      _ = try model.draw(
        Prompt("a", images: picture.map { [$0] } ?? []),
        options: DrawingRequest(size: size, cfgScale: 1), .atOnce, maximumPixels: maximumPixels,
        events: { event in
          guard let note = event.note, let size = note.size else { return }
          let name = note.picture.map { "\($0)" } ?? "drawing"
          guard [.unknownPictureSize, .unknownDrawingSize].contains(note.kind) else { return }
          said.append(
            "\(name): \(size.width)x\(size.height), not \(note.knownSizes.map(\.width))")
        })
      return said
    }
    let known = try TinyModel.picture("scene_0")
    #expect(try said(known).isEmpty)
    #expect(try said(nil, .pixels(256)) == ["drawing: 256x256, not [128]"])
    // 128 pixels are looked at as 112; a limit of the caller's makes another picture of it.
    #expect(try said(known, maximumPixels: 3136) == ["0: 56x56, not [112]"])
    let wide = RGBImage(
      width: 200, height: 100, pixels: [UInt8](repeating: 9, count: 60_000))
    #expect(try said(wide).count == 1)
    // A larger picture of the same shape is shrunk to what the model knows.
    let large = RGBImage(
      width: 300, height: 300, pixels: [UInt8](repeating: 9, count: 270_000))
    #expect(try said(large).isEmpty)
  }
}
