/// Content that stands under a file's name by mistake, as downloads leave it.
package enum ForeignContent: Sendable, Equatable, CustomStringConvertible {
  /// The few lines that Git LFS keeps in the place of a large file.
  case lfsPointer
  /// A page for people instead of the file.
  case webPage
  /// An error message of a download instead of the file.
  case downloadError(String)
  /// Text in UTF-16.
  case utf16

  /// The mark that some editors put before UTF-8.
  package static let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]

  /// Bytes of a file's start that tell what it is.
  package static let sampleByteCount = 512

  private static let pageStarts = ["<!doctype html", "<html", "<?xml", "<head"]
  private static let errorStarts = [
    "Entry not found", "Repository not found", "Invalid username or password", "Access to model",
    "404: Not Found", "Not Found",
  ]

  /// Nil where nothing is recognised.
  ///
  /// - Parameter start: a file's first bytes; at most `sampleByteCount` of them are looked at.
  package init?(of start: UnsafeRawBufferPointer) {
    if start.starts(with: [0xFF, 0xFE]) || start.starts(with: [0xFE, 0xFF]) {
      self = .utf16
      return
    }
    var sample = start.prefix(Self.sampleByteCount)
    if sample.starts(with: Self.byteOrderMark) { sample = sample.dropFirst(3) }
    sample = sample.drop { [0x20, 0x09, 0x0A, 0x0D].contains($0) }
    func begins(with text: String) -> Bool {
      zip(sample, text.utf8).allSatisfy { $0 == $1 || $0 | 0x20 == $1 }
        && sample.count >= text.utf8.count
    }
    if begins(with: "version https://git-lfs.github.com/spec/") {
      self = .lfsPointer
    } else if Self.pageStarts.contains(where: { begins(with: $0) }) {
      self = .webPage
    } else if let error = Self.errorStarts.first(where: { sample.starts(with: $0.utf8) }) {
      self = .downloadError(error)
    } else {
      return nil
    }
  }

  package init?(of start: [UInt8]) {
    guard let content = start.withUnsafeBytes({ ForeignContent(of: $0) }) else { return nil }
    self = content
  }

  /// What it is and what to do, to stand behind the file's name.
  package var description: String {
    switch self {
    case .lfsPointer:
      "is a Git LFS pointer, not the file itself; fetch that with: git lfs pull"
    case .webPage:
      "is a web page (HTML), not the file itself; download it by the link of the file, not of its "
        + "page"
    case .downloadError(let text):
      "holds the answer \"\(text)\" of a download that failed; download the file again"
    case .utf16: "is text in UTF-16; save it as UTF-8"
    }
  }
}
