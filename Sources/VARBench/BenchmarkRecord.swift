import VARJSON

/// One measured quantity, printed as one line of JSON.
package struct BenchmarkRecord: Sendable {
  package let name: String
  package let unit: String
  package let measurement: Measurement
  /// What the quantity belongs to: arguments of the run, in the order in which they are printed.
  package let context: [(String, JSONValue)]

  package init(
    _ name: String, _ unit: String, _ measurement: Measurement,
    context: [(String, JSONValue)] = []
  ) {
    self.name = name
    self.unit = unit
    self.measurement = measurement
    self.context = context
  }

  package init(
    _ name: String, _ unit: String, _ value: Double, context: [(String, JSONValue)] = []
  ) {
    self.init(name, unit, Measurement([value]), context: context)
  }

  /// `value` is the median; all numbers have four significant digits.
  package func json(_ conditions: RunConditions) -> JSONValue {
    var object = JSONObject([
      ("name", .string(name)), ("value", Self.rounded(measurement.median)),
      ("unit", .string(unit)), ("min", Self.rounded(measurement.minimum)),
      ("median", Self.rounded(measurement.median)), ("max", Self.rounded(measurement.maximum)),
      ("repeats", .integer(measurement.values.count)),
      ("threads", .integer(conditions.threadCount)),
      ("isa", .string(conditions.instructionSet.rawValue)),
      ("pages", .string(conditions.pages.rawValue)),
      ("codebook", .string(conditions.codebook.rawValue)), ("cpu", .string(conditions.processor)),
    ])
    // Every line has the same keys, so that scripts need not ask.
    for key in ["shape", "precision"] { object[key] = .string("none") }
    for (key, value) in context { object[key] = value }
    return .object(object)
  }

  private static func rounded(_ value: Double) -> JSONValue {
    guard value.isFinite, value != 0 else { return .number(0) }
    var unit = 1.0
    while abs(value) * unit < 1000, unit < 1e12 { unit *= 10 }
    return .number((value * unit).rounded() / unit)
  }
}
