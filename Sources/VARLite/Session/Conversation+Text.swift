import VARModels
import VARTokenizer

/// How a text ended.
package enum TextEnd {
  /// The model ended it.
  case endOfSequence
  /// The limit of tokens was reached.
  case length
  /// The model starts a picture; the token that starts it is in the conversation.
  case drawing
}

/// A text that the model wrote.
package struct WrittenText {
  package var text = ""
  /// Picked tokens; the one that ends the text included.
  package var ids: [Int32] = []
  package var end = TextEnd.length
}

extension Conversation {
  /// Lets the model write until it ends the text, starts a picture or reaches the limit of tokens or of the context
  /// (MODEL 5).
  package func write(
    _ sampling: TextSampling, mayDraw: Bool, events: (GenerationEvent) -> Void
  ) throws -> WrittenText {
    guard let session else { preconditionFailure("a conversation starts with a turn") }
    if !model.configuration.languageModel.tieWordEmbeddings {
      try model.require(.llmHead, to: "write")
    }
    try begin(.conversation(writesText: true), events: events)
    events(.writing)
    let tokens = model.configuration.specialTokens
    let penalty = sampling.repetitionPenalty ?? model.generationDefaults.repetitionPenalty
    var sampler = TextSampler(
      sampling, repetitionPenalty: Float(penalty), banned: mayDraw ? [] : [tokens.imageGenStart],
      prompt: session.ids)
    var decoder = StreamingDecoder(model.tokenizer, skipSpecial: true)
    var written = WrittenText()
    var stepLogits: [Float] = []
    while written.ids.count < sampling.maximumTokens {
      let logits = try session.nextLogits(run)
      if recorder != nil { stepLogits += logits }
      guard let id = sampler.pick(logits, step: written.ids.count) else {
        throw FiniteNumbers.failure("language model", model.path)
      }
      written.ids.append(id)
      if mayDraw, Int(id) == tokens.imageGenStart {
        try session.append(id, run.untraced)
        written.end = .drawing
        break
      }
      let text = decoder.append(id)
      if !text.isEmpty {
        written.text += text
        events(.text(text))
      }
      let ends = model.generationDefaults.endOfSequenceTokens.contains(Int(id))
      if ends, !sampling.ignoresEndOfSequence {
        written.end = .endOfSequence
        break
      }
      guard written.ids.count < sampling.maximumTokens, session.hasRoom else { break }
      try session.append(id, run.untraced)
    }
    let rest = decoder.finish()
    if !rest.isEmpty {
      written.text += rest
      events(.text(rest))
    }
    trace(written, stepLogits)
    return written
  }

  /// Starts a picture behind the model's own words, where the model has started none.
  ///
  /// A token that ended the text is left out: the turn goes on.
  package func startPicture(after written: inout WrittenText) throws {
    guard let session, written.end != .drawing else { return }
    // The last word of a text that was cut is not in the cache yet. A full context has no place but for the start.
    if written.end == .length, let last = written.ids.last, session.hasRoom {
      try session.append(last, run.untraced)
    }
    try session.append(Int32(model.configuration.specialTokens.imageGenStart), run.untraced)
    written.end = .drawing
  }

  private func trace(_ written: WrittenText, _ stepLogits: [Float]) {
    guard let recorder, let session, !written.ids.isEmpty else { return }
    let ids = written.ids.map(Int.init)
    recorder.record("greedy_ids", shape: [ids.count], integers: ids)
    stepLogits.withUnsafeBufferPointer { logits in
      recorder.record(
        "step_logits", shape: [ids.count, session.logits.columns], floats: logits.baseAddress!)
    }
    let prompt = recorder.tensor("input_ids").map { $0.shape[1] } ?? 0
    let sequence = session.ids.prefix(prompt).map(Int.init) + ids
    recorder.record("sequence", shape: [1, sequence.count], integers: sequence)
  }
}

extension RunContext {
  /// The same run without a trace; an observer goes on.
  var untraced: RunContext { RunContext(compute: compute, isCancelled: isCancelled) }
}
