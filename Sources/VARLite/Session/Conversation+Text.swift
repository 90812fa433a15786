import VARModels
import VARTokenizer

/// How a text ended.
enum TextEnd {
  /// The model ended it.
  case endOfSequence
  /// A stop string came.
  case stopString
  /// The caller asked to stop.
  case stopped
  /// The limit of tokens was reached.
  case length
  /// The model starts a picture; the token that starts it is in the conversation.
  case drawing

  var reason: Response.End {
    switch self {
    case .endOfSequence: .finished
    case .stopString: .stopString
    case .stopped: .stopped
    case .length: .length
    case .drawing: .drawn
    }
  }
}

/// A text that the model wrote.
struct WrittenText {
  var text = ""
  /// Picked tokens; the one that ends the text included.
  var ids: [Int32] = []
  var end = TextEnd.length
}

extension Conversation {
  /// Lets the model write until it ends the text, starts a picture or reaches the limit of tokens or of the context
  /// (MODEL 5).
  ///
  /// - Parameter count: tokens to write at most.
  func write(_ sampling: TextSampling, count: Int, mayDraw: Bool) throws -> WrittenText {
    guard let session else { preconditionFailure("a conversation starts with a turn") }
    if !model.configuration.languageModel.tieWordEmbeddings {
      try model.require(.llmHead, to: "write")
    }
    try begin(.conversation(writesText: true))
    let run = run
    let tokens = model.configuration.specialTokens
    let penalty = sampling.repetitionPenalty ?? model.generationDefaults.repetitionPenalty
    var sampler = TextSampler(
      sampling, repetitionPenalty: Float(penalty), banned: mayDraw ? [] : [tokens.imageGenStart],
      prompt: session.ids)
    var output = TextOutput(model.tokenizer, sampling.stopStrings, reporter)
    var written = WrittenText()
    recorder?.begin("step_logits", shape: [count, session.logits.columns])
    while written.ids.count < count {
      reporter.begin(
        RequestReporter.Unit(
          Progress(.writing, done: written.ids.count, total: count),
          done: Double(written.ids.count) / Double(count), share: 1 / Double(count)))
      let logits = try session.nextLogits(run)
      recorder?.put(
        "step_logits", at: written.ids.count * logits.count, UnsafeBufferPointer(logits))
      guard let id = sampler.pick(logits, step: written.ids.count, in: session.candidates)
      else {
        throw FiniteNumbers.failure("language model", model.path)
      }
      written.ids.append(id)
      if mayDraw, Int(id) == tokens.imageGenStart {
        try session.append(id, run.untraced)
        written.end = .drawing
        break
      }
      output.append(id)
      let ends = model.generationDefaults.endOfSequenceTokens.contains(Int(id))
      if ends, !sampling.ignoresEndOfSequence {
        written.end = .endOfSequence
        break
      }
      if output.hasEnded {
        written.end = .stopString
        break
      }
      if reporter.endsText {
        written.end = .stopped
        break
      }
      guard written.ids.count < count, session.hasRoom else { break }
      try session.append(id, run.untraced)
    }
    written.text = output.finish()
    trace(written)
    return written
  }

  /// Starts a picture behind the model's own words, where the model has started none.
  ///
  /// A token that ended the text is left out: the turn goes on.
  func startPicture(after written: inout WrittenText) throws {
    guard let session, written.end != .drawing else { return }
    // The last word of a text that was cut is not in the cache yet. A full context has no place but for the start.
    if written.end != .endOfSequence, let last = written.ids.last, session.hasRoom {
      try session.append(last, run.untraced)
    }
    try session.append(Int32(model.configuration.specialTokens.imageGenStart), run.untraced)
    written.end = .drawing
  }

  private func trace(_ written: WrittenText) {
    recorder?.cut("step_logits", rows: written.ids.count)
    guard let recorder, let session, !written.ids.isEmpty else { return }
    let ids = written.ids.map(Int.init)
    recorder.record("greedy_ids", shape: [ids.count], integers: ids)
    let prompt = recorder.tensor("input_ids").map { $0.shape[1] } ?? 0
    let sequence = session.ids.prefix(prompt).map(Int.init) + ids
    recorder.record("sequence", shape: [1, sequence.count], integers: sequence)
  }
}

/// Tokens to words, which are told as soon as they are certain.
private struct TextOutput {
  private var decoder: StreamingDecoder
  private var stops: StopStrings
  private let reporter: RequestReporter
  private var text = ""

  init(_ tokenizer: Tokenizer, _ stopStrings: [String], _ reporter: RequestReporter) {
    decoder = StreamingDecoder(tokenizer, skipSpecial: true)
    stops = StopStrings(stopStrings)
    self.reporter = reporter
  }

  var hasEnded: Bool { stops.hasEnded }

  mutating func append(_ id: Int32) { tell(stops.append(decoder.append(id))) }

  mutating func finish() -> String {
    tell(stops.append(decoder.finish()))
    tell(stops.finish())
    return text
  }

  private mutating func tell(_ words: String) {
    guard !words.isEmpty else { return }
    text += words
    reporter.report(.text(words))
  }
}

extension RunContext {
  /// The same run without a trace; an observer goes on.
  var untraced: RunContext {
    RunContext(compute: compute, isCancelled: isCancelled, layerBegins: layerBegins)
  }
}
