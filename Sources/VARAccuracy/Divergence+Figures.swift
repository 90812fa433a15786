import VARJSON

/// What is told of divergences: what `llama-perplexity --kl-divergence` prints, in its words.
extension Divergence {
  /// Names and values of the quantiles of the divergence, from the largest on.
  package static let shares: [(name: String, share: Double)] = [
    ("max", 1), ("99.9%", 0.999), ("99%", 0.99), ("95%", 0.95), ("90%", 0.9), ("median", 0.5),
    ("10%", 0.1), ("5%", 0.05), ("1%", 0.01), ("min", 0),
  ]

  /// `e^-(mean logarithm of the probability)` of what the cases have.
  package var perplexity: Double { exponential(-logProbability.mean) }
  package var referencePerplexity: Double { exponential(-referenceLogProbability.mean) }

  package var json: JSONValue {
    .object(
      JSONObject([
        ("count", .integer(count)),
        ("kl_nats", Self.figures(kl)),
        ("probability_change", Self.figures(probabilityChange)),
        ("same_top", Self.mean(sameTop)),
        ("perplexity", .number(perplexity)),
        ("perplexity_of_reference", .number(referencePerplexity)),
      ]))
  }

  /// Mean and standard error.
  private static func mean(_ mean: CaseMean) -> JSONValue { .object(JSONObject(members(mean))) }

  private static func members(_ mean: CaseMean) -> [(String, JSONValue)] {
    [("mean", .number(mean.mean))]
      + (mean.standardError.map { [("standard_error", .number($0))] } ?? [])
  }

  /// Besides, the root mean square and the quantiles.
  private static func figures(_ sample: Sample) -> JSONValue {
    let values = sample.quantiles(shares.map(\.share)).map { JSONValue.number($0) }
    return .object(
      JSONObject(
        members(sample.overCases) + [("rms", .number(sample.rootMeanSquare))]
          + zip(shares.map(\.name), values).map { ($0, $1) }))
  }
}
