import Testing
import VARKernels
import VARLite
import VARModels
import VARTestSupport
import VARVision

/// What is kept of prompts changes no byte of an answer, and only what is new is read.
@Suite struct PromptCacheTests {
  private static let sampling = TextSampling(maximumTokens: 12)
  private static let drawing = DrawingRequest(cfgScale: 3, tau: 0.5, isGreedy: true)
  private func open(
    _ recipe: String, _ cache: Model.PromptCache, _ options: RunOptions = RunOptions()
  ) throws -> Model {
    let own = Model.Options(
      kvType: options.kvType, residency: options.residency, promptCache: cache)
    return try Runtime(options: options.shared).open(TinyModel.path(recipe: recipe), options: own)
  }

  /// What a request gives: all that may not depend on what is kept.
  private struct Outcome: Equatable {
    let tokens: [Int32]
    let picture: RGBImage?
    let drawing: DrawingState?

    init(_ response: Response) {
      (tokens, picture, drawing) = (response.tokens, response.picture, response.drawing)
    }
  }

  private func ask(
    _ model: Model, _ question: String, _ pictures: [String] = []
  ) throws -> Response {
    let images = try pictures.map { try TinyModel.picture($0) }
    return try model.understand(Prompt(question, images: images), sampling: Self.sampling)
  }

  private func draw(_ model: Model, _ text: String) throws -> Response {
    try model.draw(Prompt(text), options: Self.drawing, text: Self.sampling)
  }

  // MARK: Bytes

  /// Requests of every kind, one after the other, each held against a model that keeps nothing.
  @Test(arguments: [
    ("f32", KVType.f32), ("f32", .f16), ("balanced", .int8),
  ])
  func hitsGiveTheSameBytes(recipe: String, type: VARModels.KVType) throws {
    for residency in [Residency.map, .load, .stream] {
      let options = RunOptions(threadCount: 2, kvType: type, residency: residency)
      let cold = try open(recipe, Model.PromptCache(.nothing), options)
      let warm = try open(recipe, Model.PromptCache(), options)
      func compare(_ run: (Model) throws -> Response) throws -> Response {
        let (expected, response) = (try run(cold), try run(warm))
        #expect(Outcome(response) == Outcome(expected))
        #expect(expected.usage.cachedTokens == 0)
        #expect(response.usage.promptTokens == expected.usage.promptTokens)
        return response
      }
      let first = try compare { try ask($0, "Who are you?") }
      #expect(first.usage.cachedTokens == 0)
      let second = try compare { try ask($0, "What is two plus three?") }
      #expect(second.usage.cachedTokens > 0)
      let drawn = try compare { try draw($0, "Please paint a red circle.") }
      #expect(drawn.usage.cachedTokens > 0 && drawn.picture != nil)
      let after = try compare { try ask($0, "Who are you?") }
      // The same prompt again: the logits of its last token are computed.
      #expect(
        after.usage.cachedTokens
          == (residency == .stream ? second.usage.cachedTokens : after.usage.promptTokens - 1))
      _ = try compare { try draw($0, "Please paint a red circle.") }
    }
  }

  @Test func picturesAreLookedAtOnce() throws {
    let cold = try open("f32", Model.PromptCache(.nothing))
    let warm = try open("f32", Model.PromptCache())
    let pictures = ["scene_1", "scene_4"]
    for (shown, question) in [
      (pictures, "What is in this picture?"), (pictures, "What color is it?"),
      (["scene_1", "scene_2"], "What is in this picture?"), (["scene_2"], "What is it?"),
    ] {
      let expected = try ask(cold, question, shown)
      let response = try ask(warm, question, shown)
      #expect(Outcome(response) == Outcome(expected))
    }
    // Both pictures, then the first one alone, stand in the prefix.
    var looks = 0
    let images = try pictures.map { try TinyModel.picture($0) }
    let seen = try warm.understand(
      Prompt("What is in this picture?", images: images), sampling: Self.sampling
    ) { if $0.progress?.stage == .looking { looks += 1 } }
    #expect(looks == 0)
    #expect(seen.usage.cachedTokens > seen.usage.pictureTokens)
  }

  /// A picture of other pixels, or of the same pixels in another place, is no prefix.
  @Test func picturesOfOtherPixelsAreRead() throws {
    let warm = try open("f32", Model.PromptCache())
    let first = try ask(warm, "What is it?", ["scene_1"])
    let other = try ask(warm, "What is it?", ["scene_2"])
    #expect(other.usage.cachedTokens < first.usage.promptTokens - first.usage.pictureTokens)
  }

  @Test func threadsAndKernelsDoNotMatter() throws {
    let expected = try ask(open("balanced", Model.PromptCache(.nothing)), "Who are you?")
    for (threads, isa) in [(1, VARKernels.InstructionSet.scalar), (3, .best)] {
      let model = try open(
        "balanced", Model.PromptCache(), RunOptions(threadCount: threads, instructionSet: isa))
      _ = try ask(model, "What is two plus three?")
      let response = try ask(model, "Who are you?")
      #expect(response.usage.cachedTokens > 0 && Outcome(response) == Outcome(expected))
    }
  }

  @Test(arguments: [1, 3, 7])
  func aCancelledRequestLeavesNothingWrong(questions: Int) throws {
    let expected = try ask(open("f32", Model.PromptCache(.nothing)), "Who are you?")
    let model = try open("f32", Model.PromptCache())
    var request = try Prompt("Who are you?").request()
    request.text = Self.sampling
    #expect {
      try model.run(request, stop: Countdown(questions).stop)
    } throws: {
      ($0 as? VARLiteError)?.category == .cancelled
    }
    for _ in 0..<2 { #expect(try Outcome(ask(model, "Who are you?")) == Outcome(expected)) }
  }

  // MARK: Work

  /// Tokens that go through the layers.
  private func work(_ model: Model, _ prompt: Prompt) throws -> (computed: Int, all: Int) {
    let conversation = try Conversation(model)
    try conversation.append(prompt)
    let session = try #require(conversation.session)
    return (session.computedTokens, session.ids.count)
  }

  @Test func onlyWhatIsNewIsComputed() throws {
    let model = try open("f32", Model.PromptCache(.systemTurn))
    let system = "You are a very small test model that likes to paint."
    let first = try work(model, Prompt("Who are you?", system: system))
    #expect(first.computed == first.all)
    let second = try work(model, Prompt("What is two plus three?", system: system))
    let turn = model.tokenizer.encode("<|im_start|>system\n\(system)<|im_end|>\n").count
    #expect(second.all - second.computed == turn)
    let other = try work(model, Prompt("Who are you?", system: "Say nothing."))
    // The words of the template before the message are the same.
    #expect(other.all - other.computed == model.tokenizer.encode("<|im_start|>system\n").count)
  }

  /// Whoever sends the whole conversation every time has only the new turn read.
  @Test func conversationsGoOn() throws {
    let model = try open("f32", Model.PromptCache())
    var messages = [Message(.user, "Who are you?")]
    let first = try model.run(Request(messages: messages, text: Self.sampling))
    messages += [Message(.assistant, first.text), Message(.user, "What is two plus three?")]
    let second = try model.run(Request(messages: messages, text: Self.sampling))
    #expect(second.usage.cachedTokens >= first.usage.promptTokens)
    let cold = try open("f32", Model.PromptCache(.nothing))
    let expected = try cold.run(Request(messages: messages, text: Self.sampling))
    #expect(Outcome(second) == Outcome(expected))
  }

  @Test func sessionsBeginWithTheKeptTurnAndGoOn() throws {
    let model = try open("f32", Model.PromptCache(.systemTurn))
    let expected = try ask(model, "Who are you?")
    let chat = try Chat(model, drawing: Self.drawing, sampling: Self.sampling)
    let first = try chat.say(Prompt("Who are you?"))
    #expect(first.text == expected.text && first.usage.cachedTokens > 0)
    let before = chat.tokenCount
    #expect(try chat.say(Prompt("What is two plus three?")).usage.cachedTokens == before)
  }

  @Test func whoMeasuresSeesEveryRow() throws {
    let model = try open("f32", Model.PromptCache())
    _ = try ask(model, "Who are you?")
    let recorder = TraceRecorder()
    let traced = try model.understand(
      Prompt("Who are you?"), sampling: Self.sampling, recorder: recorder)
    #expect(traced.usage.cachedTokens == 0)
    #expect(recorder.tensor("embeds")?.shape[1] == traced.usage.promptTokens)
  }

  // MARK: Memory

  private func keptBytes(_ plan: RequestPlan) -> Int {
    plan.phases.flatMap(\.buffers).filter { $0.name == "prompt.cache" }.map(\.byteCount).max() ?? 0
  }

  @Test func whatIsKeptIsPlannedAndBounded() throws {
    let bound = 150_000
    let model = try open("f32", Model.PromptCache(.conversations, maximumByteCount: bound))
    for number in 0..<12 {
      let question = "Who are you, and who is number \(number)?"
      let plan = try ask(model, question).plan
      #expect(keptBytes(plan) <= bound && model.keptPromptBytes <= keptBytes(plan))
      #expect(model.keptPromptBytes > 0)
    }
  }

  /// Where a request fits only without, less is kept or nothing, and the answer is the same.
  @Test func whatDoesNotFitIsNotKept() throws {
    var request = try Prompt("Who are you?").request()
    request.text.maximumTokens = 1000
    let expected = try open("f32", Model.PromptCache(.nothing)).run(request)
    var kept: [Int] = []
    for share in [1.5, 0.75] {
      let shared = try SharedBudget(
        [TinyModel.path(recipe: "f32")], residency: .map, share: share, of: request,
        promptCache: Model.PromptCache())
      let model = shared.models[0]
      kept.append(keptBytes(try model.plan(request)))
      for _ in 0..<2 {
        let response = try model.run(request)
        #expect(response.text == expected.text)
        #expect(model.keptPromptBytes <= keptBytes(response.plan))
      }
    }
    #expect(kept[1] < kept[0] / 10)
  }

  @Test func requestsThatRunAtOnceShareWhatIsKept() throws {
    let model = try open("f32", Model.PromptCache(), RunOptions(residency: .map))
    let questions = ["Who are you?", "What is two plus three?", "Who are you?", "Say something."]
    let cold = try open("f32", Model.PromptCache(.nothing))
    let expected = try questions.map { try Outcome(ask(cold, $0)) }
    for _ in 0..<3 {
      let running = try questions.map { question in
        var request = try Prompt(question).request()
        request.text = Self.sampling
        return Running(model, request)
      }
      #expect(try running.map { Outcome(try $0.response()) } == expected)
    }
  }
}
