extension JSONValue {
  /// The document on one line, keys in their order: the same value always gives the same bytes.
  package var text: String {
    var output = ""
    write(to: &output, indent: nil, level: 0)
    return output
  }

  /// The document with two spaces per level.
  package var prettyText: String {
    var output = ""
    write(to: &output, indent: 2, level: 0)
    return output
  }

  private func write(to output: inout String, indent: Int?, level: Int) {
    func newLine(_ level: Int) {
      guard let indent else { return }
      output += "\n" + String(repeating: " ", count: indent * level)
    }
    switch self {
    case .null: output += "null"
    case .bool(let value): output += value ? "true" : "false"
    case .integer(let value): output += String(value)
    case .number(let value):
      precondition(value.isFinite, "JSON has no infinite numbers")
      output += String(describing: value)
    case .string(let value): Self.writeText(value, to: &output)
    case .array(let values):
      output += "["
      for (index, value) in values.enumerated() {
        if index > 0 { output += indent == nil ? "," : ", " }
        value.write(to: &output, indent: nil, level: level + 1)
      }
      output += "]"
    case .object(let object):
      output += "{"
      for (index, member) in object.members.enumerated() {
        if index > 0 { output += "," }
        newLine(level + 1)
        Self.writeText(member.key, to: &output)
        output += indent == nil ? ":" : ": "
        member.value.write(to: &output, indent: indent, level: level + 1)
      }
      if !object.members.isEmpty { newLine(level) }
      output += "}"
    }
  }

  private static func writeText(_ text: String, to output: inout String) {
    output += "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": output += "\\\""
      case "\\": output += "\\\\"
      case "\n": output += "\\n"
      case "\r": output += "\\r"
      case "\t": output += "\\t"
      case "\u{00}"..<"\u{20}":
        let digits = String(scalar.value, radix: 16)
        output += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: output.unicodeScalars.append(scalar)
      }
    }
    output += "\""
  }
}
