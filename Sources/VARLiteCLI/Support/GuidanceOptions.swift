import ArgumentParser
import VARLite

/// How strongly a picture follows its prompt, and what that costs.
struct GuidanceOptions: ParsableArguments {
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Guidance strength; 1 is none, half the work. Default: the model's.", valueName: "x"))
  var cfgScale: Double?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      """
      1 guides the coarse scales alone: nearly half the work, for another picture much like the full \
      one.
      """, valueName: "level"))
  var fast: Int?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Scales that are guided, from the coarsest on. Default: all.", valueName: "n"))
  var guidedScales: Int?

  func validate() throws {
    if let cfgScale, !(0...100).contains(cfgScale) {
      throw ValidationError("--cfg-scale is 0 to 100, not \(cfgScale)")
    }
    if let fast, fast != 1 { throw ValidationError("--fast is 1, not \(fast)") }
    if let guidedScales, guidedScales < 1 {
      throw ValidationError("--guided-scales is 1 or more, not \(guidedScales)")
    }
    if fast != nil, guidedScales != nil {
      throw ValidationError("--fast and --guided-scales exclude each other")
    }
  }

  func apply(to drawing: inout DrawingRequest) {
    drawing.cfgScale = cfgScale
    if fast != nil { drawing.guidedScales = .coarse }
    if let guidedScales { drawing.guidedScales = .first(guidedScales) }
  }
}
