import ArgumentParser
import VARJSON
import VARModels
import VQ4Format

struct VerifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify", abstract: "Checks every byte of a model file.",
    discussion:
      "Exit code 0: every hash, code and padding byte is right; 3: the first fault is named.")

  @OptionGroup var model: ModelFileArgument

  @Flag(help: "Print one JSON object instead of text.")
  var json = false

  func run() throws {
    let path = try model.path()
    let quiet = model.quiet
    let file = try VQ4File(path: path)
    let progress = ProgressLine(isQuiet: quiet, printsText: false)
    defer { progress.close() }
    let zeros = try file.verify(
      isCancelled: { Interruption.shouldStop },
      progress: { progress.percent("verifying", done: $0, total: $1) })
    try PreviewMap.check(file)
    progress.close()
    for name in zeros where !quiet {
      progress.line("warning: tensor \"\(name)\" holds only zeros")
    }
    if json {
      let report = JSONObject([
        ("file", .string(path)), ("bytes", .integer(file.byteCount)),
        ("content_hash", .string(file.contentHash)), ("intact", .bool(true)),
        ("zero_tensors", .array(zeros.map { .string($0) })),
      ])
      Console.output(JSONValue.object(report))
    } else if !quiet {
      Console.output("\(path.printable): \(file.byteCount) bytes are intact\n")
    }
  }
}

extension PreviewMap {
  /// Throws where a file has a preview map that nothing can use.
  fileprivate static func check(_ file: VQ4File) throws {
    guard let bytes = try file.attachment(attachmentName) else { return }
    do throws(ConfigurationError) { _ = try PreviewMap(bytes: bytes) } catch {
      throw BadInput("\(file.path): \(error)")
    }
  }
}
