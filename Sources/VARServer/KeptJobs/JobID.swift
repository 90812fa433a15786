/// Names of jobs: 128 bits that the system picks, so that nobody guesses another one's.
package enum JobID {
  private static let mark = "job_"
  private static let digitCount = 32

  package static func random() -> String {
    var generator = SystemRandomNumberGenerator()
    return mark + (0..<2).map { _ in hexadecimal(generator.next()) }.joined()
  }

  private static func hexadecimal(_ value: UInt64) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: digitCount / 2 - digits.count) + digits
  }

  /// What tells a job from others, and does not lead to it.
  static func short(_ id: some StringProtocol) -> String { "\(id.prefix(8))…" }

  /// Whether a text may be such a name, and thus the name of a file.
  package static func isOne(_ text: some StringProtocol) -> Bool {
    let digits = text.utf8.dropFirst(mark.utf8.count)
    return text.hasPrefix(mark) && digits.count == digitCount
      && digits.allSatisfy { (48...57).contains($0) || (97...102).contains($0) }
  }
}
