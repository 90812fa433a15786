import VARJSON
import VARLite

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Writes whole files or nothing: beside the target first, then renamed over it.
enum FileOutput {
  static func write(_ bytes: [UInt8], to path: String) throws(GenerationError) {
    guard path != "-" else {
      Console.output(bytes)
      if let failure = Console.outputFailure { throw failure }
      return
    }
    // A device or a named pipe takes the bytes itself; renaming would put a file in its place.
    let isSpecial = kind(path).map { $0 != S_IFREG } ?? false
    let target = isSpecial ? path : resolved(path)
    let name = isSpecial ? path : partialPath(target)
    let descriptor = open(
      name, isSpecial ? O_WRONLY | O_CLOEXEC : O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw failure(path) }
    let written = Console.send(bytes, to: descriptor) && (isSpecial || fsync(descriptor) == 0)
    let reason = errno
    let closed = close(descriptor) == 0
    guard written, closed, isSpecial || rename(name, target) == 0 else {
      if !written { errno = reason }
      let error = failure(path)
      if !isSpecial { unlink(name) }
      throw error
    }
  }

  /// Checks before the work that a file can be made at `path`, and that none of `inputs` is lost by it.
  static func check(_ path: String, sparing inputs: [String] = []) throws(GenerationError) {
    guard path != "-" else { return }
    guard !path.isEmpty else {
      throw GenerationError(.invalidRequest, "the output has an empty name; name a file")
    }
    for input in inputs where resolved(path) == resolved(input) {
      throw GenerationError(
        .invalidRequest, "\(path): this run reads or writes that file already; name another output")
    }
    switch kind(path) {
    case S_IFDIR?: throw GenerationError(.cannotWrite, "\(path): is a directory; name a file")
    case .some(let kind):
      guard access(path, W_OK) == 0 else { throw failure(path) }
      if kind != S_IFREG { return }
    case nil: break
    }
    let name = partialPath(resolved(path))
    let descriptor = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw failure(path) }
    close(descriptor)
    unlink(name)
  }

  /// Prints the JSON object of a run whose file went to `path`: standard output holds one thing.
  static func report(_ object: JSONObject, beside path: String) {
    let text = JSONValue.object(object).text
    if path == "-" { Console.error(text) } else { Console.output(text + "\n") }
  }

  static func exists(_ path: String) -> Bool { kind(path) != nil }

  private static func partialPath(_ path: String) -> String { "\(path).\(getpid()).partial" }

  /// Type bits of the file, links followed; nil where there is none.
  private static func kind(_ path: String) -> mode_t? {
    var status = stat()
    return stat(path, &status) == 0 ? status.st_mode & S_IFMT : nil
  }

  /// The path without links; as it is where there is no such file.
  private static func resolved(_ path: String) -> String {
    guard let name = realpath(path, nil) else { return path }
    defer { free(name) }
    return String(cString: name)
  }

  private static func failure(_ path: String) -> GenerationError {
    GenerationError(.cannotWrite, "\(path): cannot be written: \(String(cString: strerror(errno)))")
  }
}
