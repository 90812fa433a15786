#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Small text files that the kernel writes.
package enum SystemFile {
  private static let maximumByteCount = 1 << 20

  /// The text of a file, at most 1 MiB of it; nil where it cannot be read.
  package static func text(_ path: String) -> String? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var part = [UInt8](repeating: 0, count: 1 << 14)
    while bytes.count < maximumByteCount {
      let count = read(descriptor, &part, part.count)
      guard count > 0 else { break }
      bytes += part[..<count]
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// The first number of each line by the line's first word.
  package static func counts(_ text: String) -> [Substring: Int] {
    var counts: [Substring: Int] = [:]
    for line in text.split(separator: "\n") {
      let words = line.split { $0 == " " || $0 == "\t" }
      if words.count >= 2, let count = Int(words[1]) { counts[words[0]] = count }
    }
    return counts
  }
}
