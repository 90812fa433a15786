import ArgumentParser
import VARJSON
import VARLite
import VARSystem
import VARVision

/// Draws the pictures of a list with one model. A picture that is there already is left out; one that fails is told,
/// and the others go on.
struct DrawingList {
  /// A picture of the list.
  private struct Entry {
    /// Where it is asked for; nil where the command line says it all.
    let place: String?
    let image: ImageOptions
    let output: PictureOutput
    let request: Request
    /// Where an earlier drawing is varied.
    let seed: UInt64?
  }

  private let run: DrawingRun
  private let earlier: EarlierDrawing?

  init(_ run: DrawingRun) throws {
    self.run = run
    earlier = try EarlierDrawing.read(run.saving, ram: run.model.ram)
  }

  /// Checks what the command line alone tells.
  static func check(_ run: DrawingRun) throws {
    let (saving, image) = (run.saving, run.image)
    let single: [(flag: String, isGiven: Bool)] = [
      ("--checkpoint", saving.checkpoint != nil), ("--trace", run.input.trace != nil),
      ("--no-metadata", image.noMetadata),
      ("--resume-from", saving.resumeFrom != nil && saving.keepScales == nil),
    ]
    let flag = run.list.prompts == nil ? "--count" : "--prompts"
    if let other = single.first(where: \.isGiven) {
      throw ValidationError(
        "\(other.flag) is for one picture, not for \(flag); a list that is started again leaves "
          + "out what is drawn")
    }
    if run.list.prompts != nil {
      for (other, value) in [("--resume-from", saving.resumeFrom), ("--like", saving.like)] {
        if value != nil { throw ValidationError("--prompts and \(other) exclude each other") }
      }
    }
    let format = try PictureOutput(image.output, quality: image.storage.quality).format
    guard format == .png, image.output != "-" else {
      throw ValidationError(
        "\(flag) writes PNG files, whose texts tell what is drawn already; name one with -o")
    }
    let isEdited = run.sources.contains(PictureInput.standardInput)
    if run.list.prompts == PictureInput.standardInput, isEdited {
      throw ValidationError("standard input is either the prompts or one picture")
    }
  }

  // MARK: Entries

  private func entries() throws -> [Entry] {
    guard let prompts = run.list.prompts else {
      let request = try run.request(earlier)
      let first = run.image.seedOption.seed?.value ?? earlier?.state.seed ?? 0
      return try entries(request, run.image, from: first, place: nil)
    }
    let isInput = prompts == PictureInput.standardInput
    let name = isInput ? StandardInput.name : prompts
    let lines = try PromptLine.read(Self.text(prompts), name: name, run.image)
    let pictures = try run.pictures()
    var entries: [Entry] = []
    for line in lines where run.list.shard?.contains(line.index) ?? true {
      let place = "\(name), line \(line.number)"
      do {
        var request = try run.input.request(text: line.prompt, pictures: pictures)
        request.drawing = try line.image.drawing(of: pictures.first)
        entries += try self.entries(
          request, line.image, from: line.image.seed, place: place, number: "\(line.index)")
      } catch { throw BadInput("\(place): \(error)") }
    }
    return entries
  }

  /// - Parameter number: of the prompt, for the names of files.
  private func entries(
    _ request: Request, _ image: ImageOptions, from first: UInt64, place: String?,
    number: String? = nil
  ) throws -> [Entry] {
    let count = UInt64(run.list.count ?? 1)
    guard first <= UInt64.max - (count - 1) else {
      throw VARLiteError(
        .request, "the seeds from \(first) on pass the largest; give a smaller --seed")
    }
    return try (0..<count).map { index in
      let seed = first + index
      let names = [number, run.list.count == nil ? nil : "\(seed)"].compactMap(\.self)
      let path = PictureOutput.numbered(image.output, names.joined(separator: "-"))
      var request = request
      request.drawing?.seed = seed
      request.text.seed = seed
      return Entry(
        place: place, image: image, output: try PictureOutput(path, quality: nil),
        request: request, seed: earlier == nil ? nil : seed)
    }
  }

  private static func text(_ path: String) throws -> String {
    var input = StandardInput()
    guard path != PictureInput.standardInput else { return try input.rest() }
    guard let text = String(validating: try FileInput.bytes(path), as: UTF8.self) else {
      throw BadInput("\(path): is not UTF-8 text")
    }
    return text
  }

  // MARK: Drawing

  func draw() throws {
    let inputs = [try run.model.path()] + run.sources
    let entries = try entries()
    let model = try run.model.open(
      promptCache: run.input.promptCacheOption.settings(
        hasManyRequests: true, isQuiet: run.model.quiet))
    try run.preview.check(sparing: inputs + entries.map(\.output.path))
    let drawer = PictureDrawer(
      model: model, options: run.model, hasMetadata: true,
      previews: PreviewOutput(run.preview, run.model, model))
    var report = ListReport(options: run.model)
    for (index, entry) in entries.enumerated() {
      let path = entry.output.path
      report.begins("\(index + 1) of \(entries.count): \(path)")
      do {
        let request = try request(entry, model)
        guard try !isDrawn(entry, request, model) else {
          report.skipped(path)
          continue
        }
        try FileOutput.check(path, sparing: inputs)
        report.drawn(try drawer.draw(request, to: entry.output))
      } catch {
        guard !Self.ends(error) else { throw error }
        report.failed(path, entry.place, error)
      }
      if Interruption.isRequested { break }
    }
    report.end()
    if Interruption.isRequested { throw ExitCode(Failure.Status.interrupted.rawValue) }
    if report.failedCount > 0 { throw ExitCode(Failure.Status.checkFailed.rawValue) }
  }

  private func request(_ entry: Entry, _ model: Model) throws -> Request {
    var request = entry.request
    if let kvType = run.model.kv { request.kvType = kvType }
    try earlier?.apply(to: &request, entry.image, seed: entry.seed, run.model, model)
    return request
  }

  /// Whether the picture is there already. One that was stopped is drawn again.
  ///
  /// - Throws: `request` for a file of another picture.
  private func isDrawn(
    _ entry: Entry, _ request: Request, _ model: Model
  ) throws -> Bool {
    let path = entry.output.path
    guard FileStatus(path)?.kind == .regular else { return false }
    let texts = try PictureInput.texts(path, ram: run.model.ram)
    if let difference = try texts.difference(from: request, of: model) {
      throw VARLiteError(
        .request,
        "\(path): is there and was drawn with \(difference); move it, or name another output")
    }
    return texts.isComplete
  }

  /// Whether nothing can go on after an error.
  private static func ends(_ error: any Error) -> Bool {
    guard Console.outputFailure == nil else { return true }
    let category = (error as? VARLiteError)?.category
    return category == .cancelled || category == .closed
  }
}
