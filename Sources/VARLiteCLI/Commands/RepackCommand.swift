import ArgumentParser
import VARJSON
import VARLite
import VARSharedCLI
import VQ4Format

struct RepackCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "repack",
    abstract: "Writes a model file with another storage layout, without quantizing again.",
    discussion: """
      map: nothing is compressed, everything is used in place: the fastest start. compact: the smallest file. auto: \
      what shrinks by 10 % or more is compressed. The model, its answers and its content hash stay the same.
      """)

  @Argument(
    help: "The .vq4 file to read.",
    completion: .file(extensions: ["vq4"]))
  var file: String?

  @Option(
    name: [.short, .long],
    help: ArgumentHelp("The file, as an option instead of the argument.", valueName: "model.vq4"),
    completion: .file(extensions: ["vq4"]))
  var model: String?

  @Option(
    name: .shortAndLong, help: ArgumentHelp("The file to write.", valueName: "out.vq4"),
    completion: .file(extensions: ["vq4"]))
  var output: String

  @Option(help: ArgumentHelp("How the weights are stored.", valueName: "map|compact|auto"))
  var layout: VQ4StorageLayout

  @Flag(help: "Replace OUT where it is a model.")
  var force = false

  @Flag(help: "Print one JSON object instead of text.")
  var json = false

  @Flag(help: "No progress.")
  var quiet = false

  func validate() throws {
    if file != nil, model != nil { throw ValidationError("the model is named twice") }
    if file == nil, model == nil { throw ValidationError("Missing expected argument '<file>'") }
    if output == "-" {
      throw ValidationError("-o - is no file; a model cannot be written to standard output")
    }
  }

  func run() throws {
    guard !output.isEmpty else {
      throw VARLiteError(.request, "the output has an empty name; name a file")
    }
    let input = self.file ?? model ?? ""
    try ModelPath.check(input)
    let file = try VQ4File(path: input)
    let progress = ProgressLine(isQuiet: quiet, printsText: false)
    defer { progress.close() }
    let result = try write(file, progress)
    progress.close()
    if json {
      let report = JSONObject([
        ("file", .string(input)), ("bytes_before", .integer(file.byteCount)),
        ("output", .string(output)), ("bytes", .integer(result.fileBytes)),
        ("layout", .string(layout.rawValue)), ("content_hash", .string(result.contentHash)),
        ("seconds", .number(progress.elapsedSeconds)),
      ])
      Console.output(JSONValue.object(report))
    } else if !quiet {
      Console.output(
        "\(output.printable): \(result.fileBytes) bytes, \(input.printable) has "
          + "\(file.byteCount)\n")
    }
  }

  private func write(_ file: VQ4File, _ progress: ProgressLine) throws -> VQ4Writer.Result {
    do throws(VQ4Error) {
      return try file.repack(
        to: output, layout: layout, overwrite: force,
        progress: { progress.percent("repacking", done: $0, total: $1) },
        isCancelled: { Interruption.shouldStop })
    } catch {
      if error.code == .cancelled { throw VARLiteError(.cancelled, "interrupted") }
      guard error.mayBeOverwritten, !force else { throw error }
      throw VARLiteError(.request, "\(output): the file exists; --force replaces it")
    }
  }
}
