/// A number of bytes as people write it: with an optional K, M or G, powers of 1024.
package struct ByteCount: Sendable, Equatable {
  package let bytes: Int

  package init(_ bytes: Int) { self.bytes = bytes }

  /// Reads `512M`, `1.5G` or plain bytes; nil for anything else, zero, and what does not fit.
  package init?(text: String) {
    var digits = Substring(text)
    var unit = 1.0
    if let last = digits.last, let power = ["k": 1, "m": 2, "g": 3][last.lowercased()] {
      for _ in 0..<power { unit *= 1024 }
      digits.removeLast()
    }
    let isNumber = digits.utf8.allSatisfy { (0x30...0x39).contains($0) || $0 == 0x2e }
    guard isNumber, digits.utf8.first != 0x2e, digits.utf8.last != 0x2e else { return nil }
    if let whole = Int(digits) {
      let (product, overflow) = whole.multipliedReportingOverflow(by: Int(unit))
      guard !overflow, product > 0 else { return nil }
      bytes = product
    } else {
      guard unit > 1, let value = Double(digits), value * unit >= 1, value * unit < 0x1p62 else {
        return nil
      }
      bytes = Int(value * unit)
    }
  }

  /// In the largest unit that leaves at least 1: `1.5 GiB`, `640 MiB`, `12 KiB`, `7 bytes`.
  package var text: String {
    var value = Double(bytes)
    for unit in ["bytes", "KiB", "MiB"] {
      // What rounds to 1024 belongs to the next unit.
      if value.magnitude < 1023.5 {
        return "\(Int(value.rounded())) \(unit)"
      }
      value /= 1024
    }
    let hundredths = Int((value * 100).rounded())
    let rest = hundredths % 100
    return "\(hundredths / 100).\(rest < 10 ? "0" : "")\(rest) GiB"
  }
}
