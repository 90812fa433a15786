import ArgumentParser
import VARJSON
import VARLite

struct UnderstandCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "understand", abstract: "Answers a question, with or without pictures.",
    discussion: "Example: varlite understand \"What color is the circle?\" --image circle.png")

  @Argument(help: "The question; - reads standard input.")
  var question: String

  @OptionGroup(title: "Pictures") var pictures: PictureOptions
  @OptionGroup(title: "Text") var text: TextOptions
  @OptionGroup(title: "Input") var input: InputOptions
  @OptionGroup(title: "Model") var model: ModelOptions

  func run() throws {
    if let trace = input.trace {
      try FileOutput.check(trace, sparing: pictures.images + [try self.model.path()])
    }
    let prompt = try input.prompt(question, images: pictures.images)
    let model = try self.model.open()
    let progress = Progress(isQuiet: self.model.quiet, printsText: !self.model.json)
    defer { progress.close() }
    let recorder = input.trace == nil ? nil : TraceRecorder()
    let answer = try model.understand(
      prompt, sampling: text.sampling, pixels: input.pixels.bounds, recorder: recorder,
      isCancelled: { Interruption.shouldStop }, events: progress.report)
    progress.close()
    if let recorder, let path = input.trace {
      try FileOutput.write(recorder.safetensors(), to: path)
    }
    guard self.model.json else {
      Console.output("\n")
      return
    }
    let object = JSONObject([
      ("text", .string(answer.text)), ("prompt_tokens", .integer(answer.promptTokens)),
      ("tokens", .array(answer.tokens.map { .integer(Int($0)) })),
      ("is_cut", .bool(answer.isCut)), ("kv", .string(model.kvType.rawValue)),
      ("model", .string(model.contentHash)), ("seconds", .number(progress.elapsedSeconds)),
      ("memory", answer.plan.memoryJSON),
    ])
    Console.output(JSONValue.object(object).text + "\n")
  }
}
