import VAREvaluation
import VARJSON

extension ModelAccuracy {
  package var json: JSONValue {
    var object = JSONObject([
      ("model", .string(path)), ("hash", .string(contentHash)), ("bytes", .integer(fileByteCount)),
    ])
    if let bitsPerWeight { object["bits_per_weight"] = .number(bitsPerWeight) }
    object["output_error"] = .number(outputError)
    object["output_error_per_layer"] = .object(
      JSONObject(worstLayers(.max).map { ($0.name, .number($0.error)) }))
    if bits.count > 0 { object["bits"] = bitsJSON }
    if words.count > 0 {
      object["words"] = .object(
        JSONObject([
          ("count", .integer(words.count)), ("same_top", .integer(words.sameTopCount)),
          ("mean_kl_nats", .number(words.mean)),
        ]))
    }
    object["outcomes"] = outcomes.json
    return .object(object)
  }

  private var bitsJSON: JSONValue {
    func members(_ bits: BitDivergence) -> [(String, JSONValue)] {
      [
        ("count", .integer(bits.count)), ("equal", .integer(bits.equalCount)),
        ("mean_kl_nats", .number(bits.mean)),
      ]
    }
    let scales = bitsPerScale.map { JSONValue.object(JSONObject(members($0))) }
    return .object(JSONObject(members(bits) + [("per_scale", .array(scales))]))
  }

  /// Headings of `row`.
  package static let headings = [
    "bits/weight", "output error", "bits equal", "KL/bit", "KL/token", "answers equal",
  ]

  /// The measures for people, as many as there are headings.
  package var row: [String] {
    let vqa = outcomes.parts.first { $0.name == "vqa" }
    return [
      bitsPerWeight.map { Self.text($0, digits: 2) } ?? "-",
      Self.percent(outputError),
      bits.count > 0 ? Self.percent(Double(bits.equalCount) / Double(bits.count)) : "-",
      bits.count > 0 ? Self.text(bits.mean * 1e5, digits: 1) + "e-5" : "-",
      words.count > 0 ? Self.text(words.mean * 1e5, digits: 1) + "e-5" : "-",
      vqa.flatMap { part in part.sameAnswers.map { "\($0) of \(part.caseCount)" } } ?? "-",
    ]
  }

  /// What was right in one of both runs alone, a line for each kind of case.
  package var outcomeLines: [String] {
    outcomes.parts.map { part in
      "\(part.name): \(part.bothRight + part.onlyThisRight) of \(part.caseCount) right, the "
        + "reference \(part.bothRight + part.onlyReferenceRight); \(part.onlyReferenceRight) lost, "
        + "\(part.onlyThisRight) gained"
    }
  }

  private static func percent(_ share: Double) -> String { text(share * 100, digits: 3) + " %" }

  private static func text(_ value: Double, digits: Int) -> String {
    var unit = 1.0
    for _ in 0..<digits { unit *= 10 }
    return "\((value * unit).rounded() / unit)"
  }
}
