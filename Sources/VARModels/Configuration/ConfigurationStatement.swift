import VARJSON

/// A value and the dotted key under which a document states it.
struct Statement {
  let key: String
  let value: JSONValue

  /// What all statements say together; nil where there is none.
  ///
  /// Objects are united member by member; a member that is null says nothing. Throws `inconsistent`, naming both keys,
  /// where two statements contradict each other.
  static func agreed(_ statements: [Statement]) throws(ConfigurationError) -> JSONValue? {
    guard var result = statements.first else { return nil }
    for other in statements.dropFirst() {
      result = Statement(key: result.key, value: try union(result, other))
    }
    return result.value
  }

  private static func union(
    _ first: Statement, _ second: Statement
  ) throws(ConfigurationError) -> JSONValue {
    guard var members = first.value.objectValue, let others = second.value.objectValue else {
      guard isSame(first.value, second.value) else { throw contradiction(first, second) }
      return first.value
    }
    for (name, value) in others.members where value != .null {
      if let known = members[name], known != .null {
        members[name] = try union(
          Statement(key: "\(first.key).\(name)", value: known),
          Statement(key: "\(second.key).\(name)", value: value))
      } else {
        members[name] = value
      }
    }
    return .object(members)
  }

  /// Numbers are compared by their value, so that `1` is `1.0`.
  private static func isSame(_ first: JSONValue, _ second: JSONValue) -> Bool {
    if let first = first.arrayValue, let second = second.arrayValue {
      return first.count == second.count && zip(first, second).allSatisfy(isSame)
    }
    if let first = first.doubleValue, let second = second.doubleValue { return first == second }
    return first == second
  }

  static func contradiction(_ first: Statement, _ second: Statement) -> ConfigurationError {
    ConfigurationError(
      code: .inconsistent, key: first.key,
      detail: "is \(first.value.text), but \(second.key) is \(second.value.text); "
        + "remove the wrong one")
  }
}

extension ConfigurationReader {
  /// What the document says under a name; nil where it is absent or null.
  func statement(_ name: String) -> Statement? {
    value(name).map { Statement(key: key(name), value: $0) }
  }

  /// Dotted names of the members that are not null and not in `known`.
  func unknownKeys(besides known: Set<String>) -> [String] {
    object.members.filter { name, value in
      value != .null && !known.contains(name) && !GenerationSettings.isWithoutEffect(name, value)
    }.map { key($0.key) }
  }

  func unsupported(_ name: String, _ detail: String) -> ConfigurationError {
    ConfigurationError(code: .unsupported, key: key(name), detail: detail)
  }
}
