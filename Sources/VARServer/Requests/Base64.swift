/// Bytes as letters, of RFC 4648.
package enum Base64 {
  private static let letters = Array(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

  /// The value of each letter, 255 for what is none. Letters for addresses (`-`, `_`) are read too.
  private static let values: [UInt8] = {
    var values = [UInt8](repeating: 255, count: 256)
    for (value, letter) in letters.enumerated() { values[Int(letter)] = UInt8(value) }
    values[Int(UInt8(ascii: "-"))] = 62
    values[Int(UInt8(ascii: "_"))] = 63
    return values
  }()

  package static func text(_ bytes: [UInt8]) -> String {
    String(unsafeUninitializedCapacity: (bytes.count + 2) / 3 * 4) { output in
      var count = 0
      for start in stride(from: 0, to: bytes.count, by: 3) {
        let length = min(3, bytes.count - start)
        var group = UInt32(bytes[start]) << 16
        if length > 1 { group |= UInt32(bytes[start + 1]) << 8 }
        if length > 2 { group |= UInt32(bytes[start + 2]) }
        for place in 0..<4 {
          let letter = letters[Int(group >> UInt32(18 - 6 * place) & 63)]
          output[count + place] = place <= length ? letter : UInt8(ascii: "=")
        }
        count += 4
      }
      return count
    }
  }

  /// The bytes; nil where the text holds other letters or ends in the middle of a byte. Line breaks are passed over,
  /// and the marks at the end may be missing.
  package static func bytes(_ text: some Sequence<UInt8>) -> [UInt8]? {
    var output: [UInt8] = []
    output.reserveCapacity(text.underestimatedCount / 4 * 3)
    var (group, count, isEnded) = (UInt32(0), 0, false)
    for letter in text {
      if letter == UInt8(ascii: "\r") || letter == UInt8(ascii: "\n") { continue }
      if letter == UInt8(ascii: "=") {
        isEnded = true
        continue
      }
      let value = values[Int(letter)]
      guard value != 255, !isEnded else { return nil }
      group = group << 6 | UInt32(value)
      count += 1
      guard count == 4 else { continue }
      output += [UInt8(group >> 16 & 255), UInt8(group >> 8 & 255), UInt8(group & 255)]
      (group, count) = (0, 0)
    }
    switch count {
    case 0: return output
    case 2: output.append(UInt8(group >> 4 & 255))
    case 3: output += [UInt8(group >> 10 & 255), UInt8(group >> 2 & 255)]
    default: return nil
    }
    return output
  }
}
