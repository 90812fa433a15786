import ArgumentParser
import VARJSON
import VARLite

struct UnderstandCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "understand", abstract: "Answers a question, with or without pictures.",
    discussion: "Example: varlite understand \"What color is the circle?\" --image circle.png")

  @Argument(help: "The question; - reads standard input.")
  var question: String?

  @OptionGroup var promptOption: PromptOption
  @OptionGroup(title: "Pictures") var pictures: PictureOptions
  @OptionGroup(title: "Text") var text: TextOptions
  @OptionGroup(title: "Input") var input: InputOptions
  @OptionGroup(title: "Model") var model: ModelOptions

  func validate() throws { _ = try promptOption.text(question, "question") }

  func run() throws {
    if let trace = input.trace {
      guard model.json || !FileOutput.isStandardOutput(trace) else {
        throw VARLiteError(
          .request, "standard output takes the answer; name a file for the trace, or give --json")
      }
      try TraceOutput.check(trace, sparing: pictures.images + [try self.model.path()])
    }
    let question = try promptOption.text(self.question, "question")
    var request = try input.request(question, images: pictures.images, ram: model.ram)
    request.text = text.sampling
    let model = try self.model.open(
      promptCache: input.promptCacheOption.settings(isQuiet: self.model.quiet))
    let progress = self.model.progress(printsText: !self.model.json)
    defer { progress.close() }
    let recorder = try input.trace.map { try TraceOutput.recorder(for: $0) }
    let answer = try model.run(
      request, instruments: Instruments(recorder: recorder), stop: Interruption.stop,
      events: progress.report)
    let isCut = answer.end == .length
    let summary =
      progress.textSummary(tokenCount: answer.tokens.count)
      + (isCut ? ", cut at --max-tokens" : "") + ", seed \(text.seed)"
    if let recorder, let path = input.trace {
      try TraceOutput.write(recorder, to: path)
    }
    guard self.model.json else {
      progress.close()
      Console.output("\n")
      progress.finish()
      if !self.model.quiet { progress.line(summary) }
      return
    }
    progress.finish()
    let object = JSONObject([
      ("text", .string(answer.text)), ("prompt_tokens", .integer(answer.usage.promptTokens)),
      ("cached_tokens", .integer(answer.usage.cachedTokens)),
      ("tokens", .array(answer.tokens.map { .integer(Int($0)) })),
      ("is_cut", .bool(isCut)), ("seed", .string(String(text.seed))),
      ("kv", .string(answer.settings.kvType.rawValue)),
      ("model", .string(model.contentHash)), ("seconds", .number(progress.elapsedSeconds)),
      ("memory", answer.plan.memoryJSON),
    ])
    FileOutput.report(object, beside: [input.trace])
  }
}
