#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A text file of the repository.
struct SourceFile: Sendable {
  /// Relative to the repository.
  let path: String
  let lines: [String]

  /// The folder below `Sources`, `Tests` or `Tests/fuzz`.
  var target: String {
    let folders = path.split(separator: "/").dropFirst()
    let target = folders.first == "fuzz" ? folders.dropFirst().first : folders.first
    return target.map(String.init) ?? ""
  }

  var isSwift: Bool { path.hasSuffix(".swift") }

  /// The lines with their numbers, comments cut off and the content of string literals left out.
  var code: [(number: Int, text: String)] {
    var isInBlockComment = false
    var isInLongString = false
    return lines.enumerated().map { index, line in
      (index + 1, Self.code(line, &isInBlockComment, &isInLongString))
    }
  }

  private static func code(
    _ line: String, _ isInBlockComment: inout Bool, _ isInLongString: inout Bool
  ) -> String {
    var output: [UInt8] = []
    var isInString = false
    let bytes = Array(line.utf8)
    var index = 0
    func stands(_ text: StaticString) -> Bool {
      let other = UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
      return bytes[index...].starts(with: other)
    }
    while index < bytes.count {
      if isInBlockComment {
        if stands("*/") {
          isInBlockComment = false
          index += 1
        }
      } else if stands("\"\"\"") {
        isInLongString.toggle()
        index += 2
      } else if isInLongString {
        // The text of a literal is no code.
      } else if isInString, bytes[index] == UInt8(ascii: "\\") {
        index += 1
      } else if bytes[index] == UInt8(ascii: "\"") {
        isInString.toggle()
      } else if !isInString {
        if stands("//") { break }
        if stands("/*") { isInBlockComment = true } else { output.append(bytes[index]) }
      }
      index += 1
    }
    return String(decoding: output, as: UTF8.self)
  }
}

/// The repository's own texts; no fixtures, nothing that was built.
enum SourceTree {
  static let files: [SourceFile] = {
    let names = ["Sources", "Tests"].flatMap { paths(below: $0) }
    return (names + ["Package.swift"]).sorted().compactMap { path in
      guard let text = text(path) else { return nil }
      var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
      if lines.last == "" { lines.removeLast() }
      return SourceFile(path: path, lines: lines)
    }
  }()

  static func files(below folder: String) -> [SourceFile] {
    files.filter { $0.path.hasPrefix(folder + "/") }
  }

  private static let root: String = {
    let here = #filePath.split(separator: "/", omittingEmptySubsequences: false)
    return here.dropLast(3).joined(separator: "/")
  }()

  /// Folders of what is read by tests.
  private static let inputs: Set = ["Fixtures", "seeds", "regressions"]
  private static let endings = [".swift", ".c", ".h", ".inc", ".py", ".sh"]

  private static func paths(below folder: String) -> [String] {
    guard let handle = opendir("\(root)/\(folder)") else { return [] }
    defer { closedir(handle) }
    var paths: [String] = []
    while let entry = readdir(handle) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name.hasPrefix(".") || inputs.contains(name) { continue }
      let path = "\(folder)/\(name)"
      if endings.contains(where: path.hasSuffix) {
        paths.append(path)
      } else {
        paths += Self.paths(below: path)
      }
    }
    return paths
  }

  /// Whether there is such a file or folder.
  static func exists(_ path: some StringProtocol) -> Bool { access("\(root)/\(path)", F_OK) == 0 }

  /// The text of any file of the repository.
  static func text(_ path: String) -> String? {
    guard let file = fopen("\(root)/\(path)", "rb") else { return nil }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var block = [UInt8](repeating: 0, count: 1 << 16)
    while case let count = fread(&block, 1, block.count, file), count > 0 {
      bytes += block.prefix(count)
    }
    return String(validating: bytes, as: UTF8.self)
  }
}
