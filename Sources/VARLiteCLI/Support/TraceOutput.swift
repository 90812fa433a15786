import VARLite
import VARSharedCLI
import VARSystem

/// The file of `--trace`.
enum TraceOutput {
  /// Bytes of the length that a safetensors file begins with.
  private static let lengthByteCount = 8

  /// Checks before the work that a trace can be written at `path`: no other file is lost by it, be it one of `inputs`
  /// or one that is no trace.
  static func check(_ path: String, sparing inputs: [String]) throws(VARLiteError) {
    try FileOutput.check(path, sparing: inputs)
    guard path != "-", !FileOutput.isSpecial(path) else { return }
    let start = ModelPath.start(of: path)
    guard !start.isEmpty else { return }
    guard start.count > lengthByteCount, start[lengthByteCount] == UInt8(ascii: "{") else {
      throw VARLiteError(
        .request, "\(path): is there and is no .safetensors file; name another one")
    }
  }

  /// What collects the tensors of a run for `path`: on the disk, since they may be more than the memory, and `/tmp` is
  /// memory on many systems.
  static func recorder(for path: String) throws -> TraceRecorder {
    let parts = path.split(separator: "/", omittingEmptySubsequences: false).dropLast()
    let folder = parts.isEmpty ? "." : parts.joined(separator: "/") + "/"
    if path != "-", !FileOutput.isSpecial(path), let file = try? OpenFile.temporary(in: folder) {
      return TraceRecorder(spool: file)
    }
    let other = try ProgramInput.variable("TMPDIR") ?? "/var/tmp"
    do throws(SystemError) {
      return TraceRecorder(spool: try OpenFile.temporary(in: other))
    } catch {
      throw VARLiteError(
        .file, "\(other): the trace cannot be collected there: \(error.message); set TMPDIR")
    }
  }

  /// Writes what was recorded.
  static func write(_ recorder: TraceRecorder, to path: String) throws(VARLiteError) {
    let content: FileContent
    do throws(SystemError) {
      content = try recorder.safetensors()
    } catch {
      throw VARLiteError(
        .file, "\(path): the trace cannot be collected: \(error.message)\(error.advice)")
    }
    try FileOutput.write(content, to: path)
  }
}
