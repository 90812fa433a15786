import VARJSON

extension Recipe {
  /// The version of the recipe format that is read.
  static let version = 1

  /// The precisions' limits where a recipe names none: well above what random weights give, so that only a fault or an
  /// unusual weight passes them.
  static let defaultLimits: [Precision: Double] = [
    .int4: 0.12, .int8: 0.015, .f16: 0.001, .bf16: 0.004, .f32: 0,
  ]

  /// Reads a recipe document.
  ///
  /// - Parameter source: its file or built-in name, for errors.
  /// - Throws: `QuantizationError` that names the rule and the key.
  package init(parsing text: String, source: String) throws(QuantizationError) {
    let document: JSONValue
    do {
      document = try JSONValue(parsing: text)
    } catch {
      throw QuantizationError(.malformedRecipe, "recipe \(source)", "\(error)")
    }
    let reader = RecipeReader(place: "recipe \(source)")
    let object = try reader.object(
      document, keys: ["recipe_version", "name", "architecture", "description", "limits", "rules"])
    guard object["recipe_version"]?.integerValue == Self.version else {
      throw reader.fault("recipe_version must be \(Self.version)")
    }
    name = try reader.text(object, "name")
    architecture = try reader.text(object, "architecture")
    guard architecture == "vargpt_v1_1" else {
      throw reader.fault("architecture \"\(architecture)\" is not known; vargpt_v1_1 is")
    }
    var limits = Self.defaultLimits
    if let value = object["limits"] {
      let members = try reader.object(value, keys: Precision.allCases.map(\.rawValue))
      for (key, value) in members.members {
        limits[Precision(rawValue: key)!] = try reader.ratio(value, key)
      }
    }
    self.limits = limits
    guard let list = object["rules"]?.arrayValue, !list.isEmpty else {
      throw reader.fault("rules must be a list of at least one rule")
    }
    var rules: [Rule] = []
    for (index, value) in list.enumerated() {
      rules.append(
        try Rule(value, RecipeReader(place: "recipe \(source), rule \(index + 1)")))
    }
    guard let last = rules.last, last.patterns.contains(NamePattern("**")),
      last.components.isEmpty, last.layers.isEmpty
    else { throw reader.fault("the last rule must match \"**\" and select nothing else") }
    self.rules = rules
    self.text = document.text
  }
}

extension Recipe.Rule {
  fileprivate init(_ value: JSONValue, _ reader: RecipeReader) throws(QuantizationError) {
    let object = try reader.object(
      value,
      keys: [
        "match", "component", "layers", "precision", "group_size", "count", "optional",
        "max_relative_error", "rounding", "codebook_range", "why",
      ])
    patterns = try reader.texts(object, "match").map { NamePattern($0) }
    guard !patterns.isEmpty else { throw reader.fault("match is required") }
    components = try reader.texts(object, "component").map { NamePattern($0) }
    layers = []
    for text in try reader.texts(object, "layers") {
      let parts = text.split(separator: ":", omittingEmptySubsequences: false)
      guard parts.count == 2, let count = Int(parts[1]), (1...4096).contains(count),
        parts[0] == "first" || parts[0] == "last"
      else {
        throw reader.fault("layers \"\(text)\" is not first:N or last:N")
      }
      layers.append(parts[0] == "first" ? .first(count) : .last(count))
    }
    let precisionText = try reader.text(object, "precision")
    guard let precision = Precision(rawValue: precisionText) else {
      throw reader.fault("precision \"\(precisionText)\" is not int4, int8, f16, bf16 or f32")
    }
    self.precision = precision
    groupSize = precision.defaultGroupSize
    if let value = object["group_size"] {
      guard let size = value.integerValue, precision.allowedGroupSizes.contains(size) else {
        throw reader.fault(
          "group_size \(value.text) does not go with \(precision.rawValue); allowed are "
            + "\(precision.allowedGroupSizes)")
      }
      groupSize = size
    }
    rounding = .compensated
    if object["rounding"] != nil {
      let text = try reader.text(object, "rounding")
      guard let rounding = Rounding(rawValue: text) else {
        throw reader.fault("rounding \"\(text)\" is not nearest or compensated")
      }
      self.rounding = rounding
    }
    codebookRange = nil
    if let value = object["codebook_range"] {
      guard precision == .int4, let range = value.integerValue, Codebook.ranges.contains(range)
      else {
        throw reader.fault(
          "codebook_range \(value.text) is not within \(Codebook.ranges.lowerBound) to "
            + "\(Codebook.ranges.upperBound), or the precision is not int4")
      }
      codebookRange = range
    }
    count = nil
    if let value = object["count"] {
      guard let number = value.integerValue, number >= 0 else {
        throw reader.fault("count must be a number of weights")
      }
      count = number
    }
    isOptional = false
    if let value = object["optional"] {
      guard let flag = value.boolValue else { throw reader.fault("optional must be true or false") }
      isOptional = flag
    }
    maximumRelativeError = nil
    if let value = object["max_relative_error"] {
      maximumRelativeError = try reader.ratio(value, "max_relative_error")
    }
  }
}

/// Typed access to recipe members with errors that name the place.
private struct RecipeReader {
  let place: String

  func fault(_ detail: String) -> QuantizationError {
    QuantizationError(.malformedRecipe, place, detail)
  }

  func object(_ value: JSONValue, keys: [String]) throws(QuantizationError) -> JSONObject {
    guard let object = value.objectValue else { throw fault("an object is expected") }
    for (key, _) in object.members where !keys.contains(key) {
      throw QuantizationError(
        .unknownKey, place,
        "key \"\(key)\" is not known; known are \(keys.joined(separator: ", "))")
    }
    return object
  }

  func text(_ object: JSONObject, _ key: String) throws(QuantizationError) -> String {
    guard let text = object[key]?.stringValue, !text.isEmpty else {
      throw fault("\(key) must be a text")
    }
    return text
  }

  /// A text or a list of texts; empty where the key is absent.
  func texts(_ object: JSONObject, _ key: String) throws(QuantizationError) -> [String] {
    guard let value = object[key] else { return [] }
    let texts = value.stringValue.map { [$0] } ?? value.arrayValue?.compactMap(\.stringValue) ?? []
    guard !texts.isEmpty, texts.allSatisfy({ !$0.isEmpty }),
      texts.count == value.arrayValue?.count ?? 1
    else { throw fault("\(key) must be a text or a list of texts") }
    return texts
  }

  func ratio(_ value: JSONValue, _ key: String) throws(QuantizationError) -> Double {
    guard let number = value.doubleValue, (0...1).contains(number) else {
      throw fault("\(key) must be a ratio within 0...1")
    }
    return number
  }
}
