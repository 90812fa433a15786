/// Small text files that the kernel writes.
package enum SystemFile {
  private static let maximumByteCount = 16 << 20

  /// The text of a file of at most 16 MiB; nil where it cannot be read.
  package static func text(_ path: String) -> String? {
    guard let bytes = try? WholeFile.read(path, atMost: maximumByteCount) else { return nil }
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
