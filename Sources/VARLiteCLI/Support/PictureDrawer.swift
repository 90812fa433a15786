import VARJSON
import VARLite
import VARVision

/// Draws one picture after the other with a model, and writes each with its settings.
struct PictureDrawer {
  let model: Model
  let options: ModelOptions
  let hasMetadata: Bool
  var checkpoint: Checkpoint?
  var recorder: TraceRecorder?
  /// What the drawing is watched by; nil where nobody does.
  var previews: PreviewOutput?

  /// - Throws: `cancelled` where it is stopped before there is something to write.
  func draw(_ request: Request, to output: PictureOutput) throws -> DrawnPicture {
    let progress = options.progress()
    defer { progress.close() }
    Interruption.pictureBegins()
    let request = previews?.asked(request) ?? request
    let response = try model.run(
      request, instruments: Instruments(recorder: recorder), stop: Interruption.drawingStop
    ) { event in
      progress.report(event)
      if let preview = event.preview { previews?.show(preview, progress) }
      guard let scale = event.scale else { return }
      checkpoint?.store(scale.state, progress)
      Interruption.scaleIsDrawn()
    }
    let picture = try response.requiredPicture()
    let file = try output.encoded(picture, text: hasMetadata ? response.pictureTexts : [])
    // What is watched ends as the picture itself.
    previews?.show(picture, png: output.format == .png ? file : nil, progress)
    progress.finish()
    try FileOutput.write(file, to: output.path)
    return DrawnPicture(path: output.path, response: response, picture, progress)
  }
}

/// A picture that was drawn and written, for the report.
struct DrawnPicture {
  let path: String
  let progress: ProgressLine
  private let response: Response
  private let size: PixelSize
  private let seconds: Double

  init(path: String, response: Response, _ picture: RGBImage, _ progress: ProgressLine) {
    self.path = path
    self.response = response
    self.progress = progress
    size = PixelSize(height: picture.height, width: picture.width)
    seconds = progress.elapsedSeconds
  }

  /// Whether all scales are drawn.
  var isComplete: Bool { response.end != .stopped }

  private var scaleCounts: (drawn: Int, all: Int) {
    (response.drawing?.bits.count ?? 0, response.drawing?.schedule.scales.count ?? 0)
  }

  var json: JSONObject {
    var object = JSONObject([
      ("output", .string(path)), ("text", .string(response.text)),
      ("width", .integer(size.width)), ("height", .integer(size.height)),
      ("scales", .integer(scaleCounts.drawn)),
      ("seed", .string(String(response.settings.seed))),
      ("prompt_tokens", .integer(response.usage.promptTokens)),
      ("cached_tokens", .integer(response.usage.cachedTokens)),
      ("kv", .string(response.settings.kvType.rawValue)),
      ("model", .string(response.settings.model)), ("seconds", .number(seconds)),
      ("memory", response.plan.memoryJSON),
    ])
    if !isComplete { object["stopped"] = .bool(true) }
    return object
  }

  /// One line for people.
  var line: String {
    let (drawn, all) = scaleCounts
    return "\(path): \(size.text)"
      + (isComplete ? "" : ", stopped after scale \(drawn) of \(all),")
      + " in \(ProgressLine.seconds(seconds)), seed \(response.settings.seed)"
  }
}
