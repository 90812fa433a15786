import VARJSON

/// Sampling of bits when the request says nothing (MODEL 13).
package struct ImageSamplingDefaults: Sendable, Equatable {
  /// Guidance strength; 1 switches guidance off.
  package var cfgScale: Double
  /// Temperature that divides the bit logits before guidance.
  package var tau: Double
  /// A bit value whose probability is at most `1 - topP` is never drawn.
  package var topP: Double

  init(_ reader: ConfigurationReader?) throws(ConfigurationError) {
    let sampling = try reader?.nested("sampling")
    cfgScale = try sampling?.number("cfg", in: 0...100, default: 3) ?? 3
    tau = try sampling?.number("tau", in: 0.001...1000, default: 0.5) ?? 0.5
    topP = try sampling?.number("top_p", in: 0...1, default: 0.97) ?? 0.97
  }

  var json: JSONValue {
    .object(
      JSONObject([("cfg", .number(cfgScale)), ("tau", .number(tau)), ("top_p", .number(topP))]))
  }
}
