/// A JSON document held in memory, with object keys in the order of the text.
///
/// Numbers keep their kind: an integer literal that fits is `.integer`, everything else is `.number`.
package enum JSONValue: Sendable, Equatable {
  case null
  case bool(Bool)
  case integer(Int)
  case number(Double)
  case string(String)
  case array([JSONValue])
  case object(JSONObject)
}

extension JSONValue {
  package subscript(key: String) -> JSONValue? {
    if case .object(let object) = self { object[key] } else { nil }
  }

  /// The members, or nil for another kind of value.
  package var objectValue: JSONObject? { if case .object(let value) = self { value } else { nil } }
  /// The elements, or nil for another kind of value.
  package var arrayValue: [JSONValue]? { if case .array(let value) = self { value } else { nil } }
  /// The text, or nil for another kind of value.
  package var stringValue: String? { if case .string(let value) = self { value } else { nil } }
  /// The truth value, or nil for another kind of value.
  package var boolValue: Bool? { if case .bool(let value) = self { value } else { nil } }

  /// The integer, also where it was written as `2.0`.
  package var integerValue: Int? {
    switch self {
    case .integer(let value): value
    case .number(let value): Int(exactly: value)
    default: nil
    }
  }

  /// The number, rounded to a double, or nil for another kind of value.
  package var doubleValue: Double? {
    switch self {
    case .integer(let value): Double(value)
    case .number(let value): value
    default: nil
    }
  }
}
