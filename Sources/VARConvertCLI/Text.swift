/// Numbers as people read them.
enum Text {
  /// With `digits` digits after the point.
  static func fixed(_ value: Double, _ digits: Int) -> String {
    guard value.isFinite else { return "\(value)" }
    var unit = 1.0
    for _ in 0..<digits { unit *= 10 }
    let scaled = (value * unit).rounded()
    guard abs(scaled) < 1e15 else { return "\(value)" }
    let whole = Int(scaled)
    let magnitude = String(abs(whole))
    let padded = String(repeating: "0", count: max(0, digits + 1 - magnitude.count)) + magnitude
    let sign = whole < 0 ? "-" : ""
    return digits == 0
      ? sign + padded : sign + padded.dropLast(digits) + "." + padded.suffix(digits)
  }

  /// With one digit before the point and `digits` after it: `5.94e-2`.
  static func scientific(_ value: Double, _ digits: Int) -> String {
    guard value.isFinite, value != 0 else { return value == 0 ? "0" : "\(value)" }
    var mantissa = value
    var exponent = 0
    while abs(mantissa) >= 10 { (mantissa, exponent) = (mantissa / 10, exponent + 1) }
    while abs(mantissa) < 1 { (mantissa, exponent) = (mantissa * 10, exponent - 1) }
    let text = fixed(mantissa, digits)
    // 9.999 may have become 10.00.
    if text.hasPrefix("10") || text.hasPrefix("-10") {
      (mantissa, exponent) = (mantissa / 10, exponent + 1)
    }
    return "\(fixed(mantissa, digits))e\(exponent)"
  }

  /// Bytes in powers of 1000.
  static func bytes(_ count: Int) -> String {
    let units = ["B", "kB", "MB", "GB", "TB"]
    var value = Double(count)
    var index = 0
    while value >= 1000, index < units.count - 1 {
      value /= 1000
      index += 1
    }
    return "\(fixed(value, index == 0 ? 0 : 2)) \(units[index])"
  }

  /// Filled with blanks on the right, or on the left for numbers.
  static func padded(_ text: String, _ width: Int, isNumber: Bool = false) -> String {
    let blanks = String(repeating: " ", count: max(0, width - text.count))
    return isNumber ? blanks + text : text + blanks
  }
}
