import VARJSON

/// Typed, bounded access to the members of one JSON object.
struct ConfigurationReader {
  let object: JSONObject
  let path: String

  init(_ value: JSONValue, path: String = "") throws(ConfigurationError) {
    guard let object = value.objectValue else {
      throw ConfigurationError(
        code: .malformed, key: path.isEmpty ? "config.json" : path, detail: "an object is expected")
    }
    self.object = object
    self.path = path
  }

  /// The dotted key of a member.
  func key(_ name: String) -> String { path.isEmpty ? name : path + "." + name }

  /// The member, where it is present and not null.
  func value(_ name: String) -> JSONValue? {
    guard let value = object[name], value != .null else { return nil }
    return value
  }

  func nested(_ name: String) throws(ConfigurationError) -> ConfigurationReader? {
    guard let value = value(name) else { return nil }
    return try ConfigurationReader(value, path: key(name))
  }

  func integer(
    _ name: String, in range: ClosedRange<Int>, default fallback: Int? = nil
  ) throws(ConfigurationError) -> Int {
    guard let value = value(name) else {
      if let fallback { return fallback }
      throw ConfigurationError(code: .missing, key: key(name), detail: "is required")
    }
    guard let integer = value.integerValue else {
      throw ConfigurationError(
        code: .malformed, key: key(name), detail: "an integer is expected")
    }
    guard range.contains(integer) else {
      throw ConfigurationError(
        code: .outOfRange, key: key(name),
        detail: "\(integer) is not within \(range.lowerBound)...\(range.upperBound)")
    }
    return integer
  }

  func number(
    _ name: String, in range: ClosedRange<Double>, default fallback: Double
  ) throws(ConfigurationError) -> Double {
    guard let value = value(name) else { return fallback }
    guard let number = value.doubleValue else {
      throw ConfigurationError(code: .malformed, key: key(name), detail: "a number is expected")
    }
    guard range.contains(number) else {
      throw ConfigurationError(
        code: .outOfRange, key: key(name),
        detail: "\(number) is not within \(range.lowerBound)...\(range.upperBound)")
    }
    return number
  }

  func bool(_ name: String, default fallback: Bool) throws(ConfigurationError) -> Bool {
    guard let value = value(name) else { return fallback }
    guard let bool = value.boolValue else {
      throw ConfigurationError(
        code: .malformed, key: key(name), detail: "true or false is expected")
    }
    return bool
  }

  func string(_ name: String, default fallback: String) throws(ConfigurationError) -> String {
    guard let value = value(name) else { return fallback }
    guard let string = value.stringValue else {
      throw ConfigurationError(code: .malformed, key: key(name), detail: "a text is expected")
    }
    return string
  }

  func integers(
    _ name: String, count: ClosedRange<Int>, in range: ClosedRange<Int>, default fallback: [Int]
  ) throws(ConfigurationError) -> [Int] {
    guard let value = value(name) else { return fallback }
    guard let items = value.arrayValue else {
      throw ConfigurationError(code: .malformed, key: key(name), detail: "a list is expected")
    }
    guard count.contains(items.count) else {
      throw ConfigurationError(
        code: .outOfRange, key: key(name),
        detail: "\(items.count) entries, expected \(count.lowerBound)...\(count.upperBound)")
    }
    var integers: [Int] = []
    for item in items {
      guard let integer = item.integerValue, range.contains(integer) else {
        throw ConfigurationError(
          code: .outOfRange, key: key(name),
          detail: "entries must be integers within \(range.lowerBound)...\(range.upperBound)")
      }
      integers.append(integer)
    }
    return integers
  }

  func require(
    _ condition: Bool, _ name: String, _ detail: @autoclosure () -> String
  ) throws(ConfigurationError) {
    guard condition else {
      throw ConfigurationError(code: .inconsistent, key: key(name), detail: detail())
    }
  }
}
