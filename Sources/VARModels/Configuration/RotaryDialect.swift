import VARJSON

/// The settings of the language model's rotary positions, out of every place that has some.
///
/// They stand in `rope_theta` and `rope_scaling`, or together in `rope_parameters`, at the root or in `text_config`.
struct RotaryDialect {
  /// The base of the frequencies, where one is stated.
  let theta: JSONValue?
  /// `rope_scaling` in its one form; nil where no sections are stated.
  let scaling: JSONValue?
  private(set) var unknownKeys: [String] = []

  private static let knownKeys: Set = [
    "rope_type", "type", "rope_theta", "mrope_section", "partial_rotary_factor",
    "mrope_interleaved",
  ]

  init(_ places: [ConfigurationReader]) throws(ConfigurationError) {
    var thetas: [Statement] = []
    var sections: [Statement] = []
    for place in places {
      thetas += [place.statement("rope_theta")].compactMap { $0 }
      try Self.checkShare(place)
      for name in ["rope_parameters", "rope_scaling"] {
        guard let reader = try place.nested(name) else { continue }
        try Self.checkType(of: reader, known: ["default", "mrope"])
        try Self.checkShare(reader)
        if try reader.bool("mrope_interleaved", default: false) {
          throw reader.unsupported("mrope_interleaved", "true is not supported")
        }
        thetas += [reader.statement("rope_theta")].compactMap { $0 }
        sections += [reader.statement("mrope_section")].compactMap { $0 }
        unknownKeys += reader.unknownKeys(besides: Self.knownKeys)
      }
    }
    theta = try Statement.agreed(thetas)
    scaling = try Statement.agreed(sections).map {
      .object(JSONObject([("type", .string("mrope")), ("mrope_section", $0)]))
    }
  }

  /// Refuses every kind of positions besides `known`, in the new spelling and in the old one.
  static func checkType(
    of reader: ConfigurationReader, known: [String]
  ) throws(ConfigurationError) {
    for name in ["rope_type", "type"] {
      let type = try reader.string(name, default: known[0])
      guard known.contains(type) else {
        throw reader.unsupported(
          name, "\"\(type)\" is not supported (\(known.joined(separator: " and ")) are)")
      }
    }
    for (name, value) in reader.object.members where value.objectValue != nil {
      throw reader.unsupported(name, "settings for each type of layer are not supported")
    }
  }

  private static func checkShare(_ reader: ConfigurationReader) throws(ConfigurationError) {
    guard try reader.number("partial_rotary_factor", in: 0...1, default: 1) == 1 else {
      throw reader.unsupported(
        "partial_rotary_factor", "heads that turn in part are not supported")
    }
  }
}
