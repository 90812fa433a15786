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
      try TraceOutput.check(trace, sparing: pictures.images + [try self.model.path()])
    }
    let question = try promptOption.text(self.question, "question")
    let prompt = try input.prompt(question, images: pictures.images, ram: self.model.ram)
    let model = try self.model.open()
    let progress = self.model.progress(printsText: !self.model.json)
    defer { progress.close() }
    let recorder = input.trace == nil ? nil : TraceRecorder()
    let answer = try model.understand(
      prompt, sampling: text.sampling, pixels: input.pixels.bounds, recorder: recorder,
      isCancelled: { Interruption.shouldStop }, events: progress.report)
    let summary =
      progress.textSummary(tokenCount: answer.tokens.count)
      + (answer.isCut ? ", cut at --max-tokens" : "") + ", seed \(text.seed)"
    if let recorder, let path = input.trace {
      try FileOutput.write(recorder.safetensors(), to: path)
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
      ("text", .string(answer.text)), ("prompt_tokens", .integer(answer.promptTokens)),
      ("tokens", .array(answer.tokens.map { .integer(Int($0)) })),
      ("is_cut", .bool(answer.isCut)), ("seed", .string(String(text.seed))),
      ("kv", .string(model.kvType.rawValue)),
      ("model", .string(model.contentHash)), ("seconds", .number(progress.elapsedSeconds)),
      ("memory", answer.plan.memoryJSON),
    ])
    Console.output(JSONValue.object(object).text + "\n")
  }
}
