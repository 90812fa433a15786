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
      Less work, for another picture much like the full one. 1 guides the coarse scales alone; 2 besides \
      reads a quarter of the other scales' tokens with the language model.
      """, valueName: "level"))
  var fast: DrawingRequest.FastLevel?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Scales that are guided, from the coarsest on. Default: all.", valueName: "n"))
  var guidedScales: Int?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      """
      Scales of which the language model reads every token, from the coarsest on; of the others it reads \
      a quarter. Default: all.
      """, valueName: "n"))
  var denseScales: Int?

  func validate() throws {
    if let cfgScale, !(0...100).contains(cfgScale) {
      throw ValidationError("--cfg-scale is 0 to 100, not \(cfgScale)")
    }
    for (name, count) in [("guided", guidedScales), ("dense", denseScales)] {
      guard let count else { continue }
      guard count >= 1 else {
        throw ValidationError("--\(name)-scales is 1 or more, not \(count)")
      }
      guard fast == nil else {
        throw ValidationError("--fast and --\(name)-scales exclude each other")
      }
    }
  }

  /// Sets what is named.
  func apply(to drawing: inout DrawingRequest) {
    if let cfgScale { drawing.cfgScale = cfgScale }
    if let fast {
      (drawing.guidedScales, drawing.denseScales) = (fast.guidedScales, fast.denseScales)
    }
    if let guidedScales { drawing.guidedScales = .first(guidedScales) }
    if let denseScales { drawing.denseScales = .first(denseScales) }
  }
}

extension DrawingRequest.FastLevel: ExpressibleByArgument {}
