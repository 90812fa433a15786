import VARJSON

/// The fields of a request. A field that is null is missing. In a form, all values are texts.
struct Fields {
  private var members: JSONObject
  private let isForm: Bool

  /// - Throws: 400 for what is no JSON object.
  init(json bytes: [UInt8]) throws(APIError) {
    let value: JSONValue
    do throws(JSONError) {
      value = try JSONValue(parsing: bytes, maximumDepth: 64)
    } catch {
      throw APIError(400, "the body is no JSON: \(error)", code: "invalid_json")
    }
    guard let members = value.objectValue else {
      throw APIError(400, "the body is no JSON object", code: "invalid_json")
    }
    self.members = members
    isForm = false
  }

  /// - Parameter texts: the fields of a form that are no files.
  init(form texts: [(name: String, text: String)]) {
    members = JSONObject(texts.map { ($0.name, .string($0.text)) })
    isForm = true
  }

  /// The value; nil where the field is missing.
  subscript(name: String) -> JSONValue? {
    guard let value = members[name], value != .null else { return nil }
    return value
  }

  /// The same fields with another value of one.
  func setting(_ name: String, to value: JSONValue) -> Fields {
    var fields = self
    fields.members[name] = isForm ? .string(value.stringValue ?? value.text) : value
    return fields
  }

  func text(_ name: String) throws(APIError) -> String? {
    guard let value = self[name] else { return nil }
    guard let text = value.stringValue else { throw .invalid(name, "\(name) is not a text") }
    return text
  }

  func integer(_ name: String, in range: ClosedRange<Int>) throws(APIError) -> Int? {
    guard let value = self[name] else { return nil }
    let number = isForm ? value.stringValue.flatMap { Int($0) } : value.integerValue
    guard let number, range.contains(number) else {
      throw .invalid(
        name, "\(name) is a whole number from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  func number(_ name: String, in range: ClosedRange<Double>) throws(APIError) -> Double? {
    guard let value = self[name] else { return nil }
    let number = isForm ? value.stringValue.flatMap { Double($0) } : value.doubleValue
    guard let number, range.contains(number) else {
      throw .invalid(name, "\(name) is a number from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  func flag(_ name: String) throws(APIError) -> Bool? {
    guard let value = self[name] else { return nil }
    let flag = isForm ? value.stringValue.flatMap { Bool($0.lowercased()) } : value.boolValue
    guard let flag else { throw .invalid(name, "\(name) is true or false") }
    return flag
  }

  /// The seed that is asked for, else one that the system picks; so does -1.
  func seed() throws(APIError) -> UInt64 {
    if let seed = try integer("seed", in: -1...Int.max), seed >= 0 { return UInt64(seed) }
    // Programs whose numbers are doubles can send this one back.
    return UInt64.random(in: 0..<1 << 53)
  }
}
