import Testing
import VARLite
import VARModels
import VARTestSupport
import VARVision

/// Conversations of many turns, with the reference checkpoint in f32.
@Suite struct ChatTests {
  private static let sampling = TextSampling(maximumTokens: 24)
  private static let drawing = DrawingRequest(cfgScale: 3, tau: 0.5, isGreedy: true)
  /// What ends an answer and starts the next turn.
  private static let nextTurn = "<|im_end|>\n<|im_start|>user\n"
  private static let answer = "<|im_end|>\n<|im_start|>assistant\n"

  @Test func twoTurnsEqualOneConversation() throws {
    let model = try TinyModel.f32()
    let chat = try Chat(model, sampling: Self.sampling)
    let first = try chat.say(Prompt("Who are you?"))
    #expect(first.text == "I am a very small test model, and I can paint.")
    let second = try chat.say(Prompt("What is two plus three?"))
    // The same conversation in one prompt.
    let whole = try model.understand(
      Prompt(
        "Who are you?" + Self.answer + first.text + Self.nextTurn + "What is two plus three?"),
      sampling: Self.sampling)
    #expect(second.text == whole.text)
    let ids = try #require(chat.conversation.session).ids
    #expect(
      Array(ids.prefix(whole.usage.promptTokens + whole.tokens.count)).suffix(whole.tokens.count)
        == whole.tokens[...])
    let text = model.tokenizer.decode(Array(ids.prefix(whole.usage.promptTokens)))
    #expect(model.tokenizer.encode(text) == Array(ids.prefix(whole.usage.promptTokens)))
    #expect(
      text.utf8.elementsEqual(
        ("<|im_start|>system\nYou are a helpful assistant." + Self.nextTurn + "Who are you?"
          + Self.answer + first.text + Self.nextTurn + "What is two plus three?" + Self.answer).utf8
      ))
    // Both end with the end of the turn and a line break.
    #expect(model.tokenizer.decode(ids.suffix(2)) == "<|im_end|>\n")
  }

  @Test func aTurnAfterADrawingContinues() throws {
    let model = try TinyModel.f32()
    let chat = try Chat(model, drawing: Self.drawing, sampling: Self.sampling)
    let first = try chat.say(Prompt("Who are you?"))
    var history = "Who are you?" + Self.answer + first.text + Self.nextTurn
    // A picture is drawn with the whole conversation in view.
    history += "Please paint a red circle."
    let drawn = try chat.say(Prompt("Please paint a red circle."), .atOnce)
    let alone = try model.draw(Prompt(history), options: Self.drawing, .atOnce)
    #expect(drawn.image == alone.image && drawn.picture != nil)
    // Keys and values of the drawing are gone, its start and end are there. This time the model draws by itself.
    history += Self.answer + "<|image_gen_start|><|image_gen_end|>" + Self.nextTurn
    let picture = try TinyModel.picture("scene_2")
    let seen = try chat.say(Prompt("What is in this picture?", images: [picture]))
    let whole = try model.draw(
      Prompt(history + "<image>What is in this picture?", images: [picture]),
      options: Self.drawing, text: Self.sampling)
    #expect(!seen.text.isEmpty && seen.text == whole.text)
    #expect(seen.image == whole.image)
  }

  @Test func aFullContextCutsTheTextAndKeepsTheConversation() throws {
    let model = try TinyModel.f32()
    let whole = try model.understand(Prompt("Who are you?"), sampling: Self.sampling)
    let context = whole.usage.promptTokens + 8
    let chat = try Chat(model, contextTokens: context, sampling: Self.sampling)
    let cut = try chat.say(Prompt("Who are you?"))
    #expect(!cut.text.isEmpty && whole.text.hasPrefix(cut.text) && cut.text != whole.text)
    #expect(chat.tokenCount <= context)
    let before = chat.tokenCount
    #expect {
      try chat.say(Prompt("What is two plus three?"))
    } throws: {
      ($0 as? VARLiteError)?.category == .contextFull
    }
    #expect(chat.tokenCount == before)
    let narrow = try Chat(model, contextTokens: 8, sampling: Self.sampling)
    #expect {
      try narrow.say(Prompt("Who are you?"))
    } throws: {
      ($0 as? VARLiteError)?.category == .contextFull
    }
  }

  /// Cancelled while it reads, while it writes, and while it draws.
  @Test(arguments: [2, 5, 12], [false, true])
  func aCancelledTurnLeavesNoTrace(layers: Int, forcesDrawing: Bool) throws {
    let model = try TinyModel.f32()
    let budget = Countdown()
    let chat = try Chat(model, drawing: Self.drawing, sampling: Self.sampling)
    chat.stop = budget.stop
    let first = try chat.say(Prompt("Who are you?"))
    let before = chat.tokenCount
    budget.left = layers
    #expect {
      try chat.say(
        Prompt("Please paint a red circle."), forcesDrawing ? .atOnce : .whereTheModelStarts)
    } throws: {
      ($0 as? VARLiteError)?.category == .cancelled
    }
    budget.left = nil
    #expect(chat.tokenCount == before)
    let second = try chat.say(Prompt("What is two plus three?"))
    let whole = try model.understand(
      Prompt(
        "Who are you?" + Self.answer + first.text + Self.nextTurn + "What is two plus three?"),
      sampling: Self.sampling)
    #expect(second.text == whole.text)
  }
}
