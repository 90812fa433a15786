import VARSystem

/// A file with keys that clients show.
enum KeyFile {
  /// Why a file cannot be taken.
  struct Refusal: Error, CustomStringConvertible {
    let description: String
  }

  private static let maximumByteCount = 1 << 20

  /// The keys: one on each line that is neither empty nor begins with `#`.
  static func keys(_ path: String) throws(Refusal) -> [String] {
    let bytes: [UInt8]?
    do throws(SystemError) {
      bytes = try WholeFile.read(path, atMost: maximumByteCount)
    } catch {
      throw Refusal(description: "\(path): \(error)\(error.advice)")
    }
    guard let bytes, let text = String(validating: bytes, as: UTF8.self) else {
      throw Refusal(description: "\(path): is no file of keys: a key of letters on each line")
    }
    var keys: [String] = []
    for line in text.split(whereSeparator: \.isNewline) {
      let key = line.trimmed
      guard !key.isEmpty, !key.hasPrefix("#") else { continue }
      guard key.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
        throw Refusal(
          description: "\(path): a key has other characters than printable ones without spaces")
      }
      keys.append(String(key))
    }
    guard !keys.isEmpty else {
      throw Refusal(description: "\(path): holds no key; write one on each line")
    }
    return keys
  }
}

extension Substring {
  /// Without blanks at both ends.
  fileprivate var trimmed: Substring {
    var text = drop { $0 == " " || $0 == "\t" }
    while let last = text.last, last == " " || last == "\t" { text.removeLast() }
    return text
  }
}
