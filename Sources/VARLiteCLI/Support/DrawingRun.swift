import ArgumentParser
import VARLite
import VARSharedCLI

/// What `generate` and `edit` share: draw a picture, or a list of them.
struct DrawingRun {
  let model: ModelOptions
  let input: InputOptions
  let image: ImageOptions
  let saving: SavingOptions
  let list: ListOptions
  let preview: PreviewOptions
  /// nil where a picture's file or a list tells it.
  let text: String?
  /// Files of the pictures to change.
  let sources: [String]

  /// Checks what the command line alone tells.
  ///
  /// - Parameter noun: what the text is.
  func check(_ noun: String) throws {
    if list.prompts != nil {
      guard text == nil else {
        throw ValidationError("the \(noun) stands twice: on the command line and in --prompts")
      }
    } else if text == nil, saving.like == nil {
      throw ValidationError("Missing expected argument '<\(noun)>'")
    }
    if saving.keepScales != nil, image.seedOption.seed == nil {
      throw ValidationError("--keep-scales needs a new --seed, for the scales that are not kept")
    }
    if list.isList { try DrawingList.check(self) }
  }

  func run() throws {
    guard !list.isList else { return try DrawingList(self).draw() }
    let output = try PictureOutput(image.output, quality: image.storage.quality)
    try checkOutputs()
    let earlier = try EarlierDrawing.read(saving, ram: model.ram)
    var request = try request(earlier)
    let model = try self.model.open(
      promptCache: input.promptCacheOption.settings(isQuiet: self.model.quiet))
    let drawer = PictureDrawer(
      model: model, options: self.model, hasMetadata: !image.noMetadata,
      checkpoint: saving.checkpoint.map { Checkpoint(path: $0) },
      recorder: try input.trace.map { try TraceOutput.recorder(for: $0) },
      previews: PreviewOutput(preview, self.model, model))
    try earlier?.apply(
      to: &request, image, seed: earlier?.variationSeed(image.seedOption.seed?.value),
      self.model, model)
    let drawn = try drawer.draw(request, to: output)
    if let recorder = drawer.recorder, let path = input.trace {
      try TraceOutput.write(recorder, to: path)
    }
    if self.model.json {
      FileOutput.report(drawn.json, beside: [image.output, input.trace])
    } else if !self.model.quiet {
      drawn.progress.line(drawn.line)
      if !drawn.isComplete, let path = saving.checkpoint {
        drawn.progress.line("--resume-from \(path) goes on")
      }
    }
    if Interruption.isRequested { throw ExitCode(Failure.Status.interrupted.rawValue) }
  }

  /// Checks before the work that all files can be written, and that none is lost.
  private func checkOutputs() throws {
    var inputs = [try model.path()]
    try FileOutput.check(image.output, sparing: inputs)
    inputs += [image.output] + sources + [saving.like].compactMap(\.self)
    try preview.check(sparing: inputs)
    inputs += [preview.preview].compactMap(\.self)
    if let path = saving.checkpoint {
      try SavedDrawing.check(path, sparing: inputs, resumed: saving.resumeFrom)
    }
    if let trace = input.trace {
      let states = [saving.checkpoint, saving.resumeFrom].compactMap(\.self)
      try TraceOutput.check(trace, sparing: inputs + states)
    }
  }

  /// What is asked for, by the command line or by a picture's file.
  func request(_ earlier: EarlierDrawing?) throws -> Request {
    var input = input
    var request: Request
    if let earlier, earlier.texts != nil {
      let text = try earlier.text(given: text, &input, pictureCount: sources.count)
      request = try input.request(text: text ?? "", pictures: pictures())
    } else {
      request = try input.request(text ?? "", images: sources, ram: model.ram)
    }
    request.drawing = try image.drawing(of: request.pictures.first)
    request.text.seed = image.seed
    return request
  }

  /// The pictures to change.
  func pictures() throws -> [Picture] {
    try sources.map { try PictureInput.picture($0, ram: model.ram) }
  }
}
