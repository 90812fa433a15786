import VARJSON
import VARKernels
import VARLite
import VARVision

/// What `generate` and `edit` share: draw, write the picture with its settings, report.
struct DrawingRun {
  let model: ModelOptions
  let input: InputOptions
  let image: ImageOptions
  let text: String
  /// Files of the pictures to change.
  let sources: [String]

  func run() throws {
    let output = try PictureOutput(image.output, quality: image.storage.quality)
    let modelPath = try self.model.path()
    try FileOutput.check(image.output, sparing: [modelPath])
    if let trace = input.trace {
      try TraceOutput.check(trace, sparing: sources + [modelPath, image.output])
    }
    let prompt = try input.prompt(text, images: sources, ram: self.model.ram)
    let options = try image.drawingOptions(source: prompt.images.first)
    let model = try self.model.open()
    let progress = self.model.progress()
    defer { progress.close() }
    let recorder = input.trace == nil ? nil : TraceRecorder()
    let drawing = try model.draw(
      prompt, options: options,
      text: TextSampling(seed: image.seed, maximumTokens: 128),
      forcesDrawing: image.shape.forceImage, letsModelDecide: image.letModelDecide,
      pixels: input.pixels.bounds, recorder: recorder, isCancelled: { Interruption.shouldStop },
      events: progress.report)
    progress.finish()
    try output.write(
      drawing.image, text: image.noMetadata ? [] : texts(prompt, model, options))
    if let recorder, let path = input.trace {
      try FileOutput.write(recorder.safetensors(), to: path)
    }
    report(drawing, model, progress)
  }

  private func texts(
    _ prompt: Prompt, _ model: VARGPT, _ options: DrawingOptions
  ) -> [(key: String, value: String)] {
    let defaults = model.configuration.imageSampling
    let settings = JSONValue.object(
      JSONObject([
        ("seed", .string(String(options.seed))),
        ("cfg_scale", .number(options.cfgScale ?? defaults.cfgScale)),
        ("tau", .number(options.tau ?? defaults.tau)),
        ("top_p", .number(options.topP ?? defaults.topP)),
        ("greedy", .bool(options.isGreedy)),
        ("kv", .string(model.kvType.rawValue)),
      ]))
    return [
      ("Software", "varlite \(PackageVersion.text)"), ("prompt", prompt.text),
      ("seed", String(options.seed)), ("settings", settings.text),
      ("model", model.contentHash),
    ]
  }

  private func report(_ drawing: Drawing, _ model: VARGPT, _ progress: Progress) {
    let seconds = progress.elapsedSeconds
    if self.model.json {
      let object = JSONObject([
        ("output", .string(image.output)), ("text", .string(drawing.text)),
        ("width", .integer(drawing.image.width)), ("height", .integer(drawing.image.height)),
        ("scales", .integer(drawing.bits.count)), ("seed", .string(String(image.seed))),
        ("prompt_tokens", .integer(drawing.promptTokens)),
        ("kv", .string(model.kvType.rawValue)), ("model", .string(model.contentHash)),
        ("seconds", .number(seconds)), ("memory", drawing.plan.memoryJSON),
      ])
      FileOutput.report(object, beside: image.output)
    } else if !self.model.quiet {
      progress.line(
        "\(image.output): \(drawing.image.width)x\(drawing.image.height) in "
          + "\(Progress.seconds(seconds)), seed \(image.seed)")
    }
  }
}
