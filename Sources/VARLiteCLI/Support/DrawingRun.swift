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
    var request = try input.request(text, images: sources, ram: self.model.ram)
    request.drawing = try image.drawing(of: sources.isEmpty ? nil : request.pictures.first)
    request.text.seed = image.seed
    let model = try self.model.open(
      promptCache: input.promptCacheOption.settings(isQuiet: self.model.quiet))
    let progress = self.model.progress()
    defer { progress.close() }
    let recorder = try input.trace.map { try TraceOutput.recorder(for: $0) }
    let response = try model.run(
      request, instruments: Instruments(recorder: recorder), stop: Interruption.stop,
      events: progress.report)
    let picture = try response.requiredPicture()
    progress.finish()
    try output.write(picture, text: image.noMetadata ? [] : response.pictureTexts)
    if let recorder, let path = input.trace {
      try TraceOutput.write(recorder, to: path)
    }
    report(response, picture, progress)
  }

  private func report(_ response: Response, _ picture: RGBImage, _ progress: ProgressLine) {
    let seconds = progress.elapsedSeconds
    if self.model.json {
      let object = JSONObject([
        ("output", .string(image.output)), ("text", .string(response.text)),
        ("width", .integer(picture.width)), ("height", .integer(picture.height)),
        ("scales", .integer(response.drawing?.bits.count ?? 0)),
        ("seed", .string(String(image.seed))),
        ("prompt_tokens", .integer(response.usage.promptTokens)),
        ("cached_tokens", .integer(response.usage.cachedTokens)),
        ("kv", .string(response.settings.kvType.rawValue)),
        ("model", .string(response.settings.model)), ("seconds", .number(seconds)),
        ("memory", response.plan.memoryJSON),
      ])
      FileOutput.report(object, beside: [image.output, input.trace])
    } else if !self.model.quiet {
      progress.line(
        "\(image.output): \(picture.width)x\(picture.height) in "
          + "\(ProgressLine.seconds(seconds)), seed \(image.seed)")
    }
  }
}
