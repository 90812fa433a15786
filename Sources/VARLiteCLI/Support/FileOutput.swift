import Synchronization
import VARJSON
import VARLite
import VARSystem

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Writes whole files or nothing (`WholeFile`), or to standard output.
enum FileOutput {
  /// A descriptor for the file, held while the work may open others: what is done must not be lost for want of one.
  private static let spare = Mutex<Int32>(-1)

  private static func holdSpare(_ isHeld: Bool) {
    spare.withLock { spare in
      if isHeld, spare < 0 { spare = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3) }
      if !isHeld, spare >= 0 {
        close(spare)
        spare = -1
      }
    }
  }

  static func write(_ bytes: [UInt8], to path: String) throws(VARLiteError) {
    try write(FileContent(bytes), to: path)
  }

  /// - Parameters:
  ///   - keepsUnnamed: whether a complete file that could not get its name is kept.
  ///   - isFlushed: whether to wait until the disk has it.
  static func write(
    _ bytes: FileContent, to path: String, keepsUnnamed: Bool = true, isFlushed: Bool = true
  ) throws(VARLiteError) {
    holdSpare(false)
    defer { holdSpare(true) }
    guard path != "-" else {
      do throws(SystemError) {
        try bytes.write { piece throws(SystemError) in Console.output(piece) }
      } catch {
        throw failure("standard output", error)
      }
      if let failure = Console.outputFailure { throw failure }
      return
    }
    do throws(SystemError) {
      try WholeFile.write(bytes, to: path, keepsUnnamed: keepsUnnamed, isFlushed: isFlushed)
    } catch {
      throw failure(path, error)
    }
  }

  /// Checks before the work that a file can be made at `path`, and that none of `inputs` is lost by it.
  static func check(_ path: String, sparing inputs: [String] = []) throws(VARLiteError) {
    guard path != "-" else {
      guard !inputs.contains(where: isStandardOutput) else {
        throw VARLiteError(.request, "standard output takes one file; name another output")
      }
      return
    }
    holdSpare(false)
    defer { holdSpare(true) }
    guard !path.isEmpty else {
      throw VARLiteError(.request, "the output has an empty name; name a file")
    }
    for input in inputs
    where WholeFile.isSamePlace(path, input) || isStandardOutput(path) && isStandardOutput(input) {
      throw VARLiteError(
        .request, "\(path): this run reads or writes that file already; name another output")
    }
    guard FileStatus(path)?.kind != .folder else {
      throw VARLiteError(.file, "\(path): is a directory; name a file")
    }
    do throws(SystemError) {
      try WholeFile.check(path)
    } catch {
      throw failure(path, error)
    }
  }

  /// Prints the JSON object of a run whose files went to `paths`: standard output holds one thing.
  static func report(_ object: JSONObject, beside paths: [String?]) {
    let text = JSONValue.object(object).terminalText
    if paths.contains(where: { $0.map(isStandardOutput) ?? false }) {
      Console.error(text)
    } else {
      Console.output(text + "\n")
    }
  }

  /// Whether bytes for `path` go to standard output, by whatever name.
  static func isStandardOutput(_ path: String) -> Bool {
    guard path != "-" else { return true }
    guard path.hasPrefix("/dev/") || path.hasPrefix("/proc/") else { return false }
    guard let own = FileStatus.standardOutput?.identity else { return false }
    return FileStatus(path)?.identity == own
  }

  static func exists(_ path: String) -> Bool { FileStatus(path) != nil }

  /// Whether the path is a device, a pipe or a socket.
  static func isSpecial(_ path: String) -> Bool { FileStatus(path)?.kind == .special }

  private static func failure(_ path: String, _ error: SystemError) -> VARLiteError {
    VARLiteError(
      .file, "\(path): cannot be written: \(error.message)\(error.advice)")
  }
}
