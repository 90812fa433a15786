import VARModels

/// Picks the scales that a request is drawn with (MODEL 9.1).
package enum ScheduleSelection {
  package static func schedule(
    _ configuration: VARGPTConfiguration, size: DrawingSize, aspect: DrawingAspect
  ) throws(VARLiteError) -> ScaleSchedule {
    let own = configuration.schedule
    if size == .modelDefault, aspect == .modelDefault { return own }
    let template: AspectTemplate
    switch aspect {
    case .modelDefault: template = ownTemplate(own)
    case .ratio(let width, let height):
      template = try AspectTemplate.nearest(heightOverWidth: ratio(width: width, height: height))
    case .nearest(let width, let height):
      let wanted = try ratio(width: width, height: height)
      // Scales of no official template have one shape.
      if size == .modelDefault, !isPrefix(own) { return own }
      template = nearestKnown(
        wanted, configuration, scaleCount: try scaleCount(configuration, size))
    }
    let count = try scaleCount(configuration, size)
    let schedule = template.schedule(scaleCount: count)
    guard count <= configuration.generator.numLevels else {
      throw VARLiteError(
        .request,
        "this size needs \(count) scales, the model knows \(configuration.generator.numLevels)")
    }
    return schedule
  }

  /// Whether a picture of the model can have these scales.
  static func offers(_ schedule: ScaleSchedule, _ configuration: VARGPTConfiguration) -> Bool {
    let (own, count) = (configuration.schedule, schedule.scales.count)
    guard schedule != own else { return true }
    let isSize =
      PixelBudget.allCases.contains { $0.scaleCount == count }
      || isPrefix(own) && own.scales.count == count
    return isSize && count <= configuration.generator.numLevels
      && AspectTemplate.all.contains { $0.schedule(scaleCount: count) == schedule }
  }

  private static func ratio(width: Double, height: Double) throws(VARLiteError) -> Double {
    let ratio = height / width
    guard width > 0, height > 0, ratio > 0, ratio.isFinite else {
      throw VARLiteError(.request, "\(width):\(height) is no shape of a picture")
    }
    return ratio
  }

  /// The template nearest to a ratio among those that give a size which the model was trained on.
  private static func nearestKnown(
    _ heightOverWidth: Double, _ configuration: VARGPTConfiguration, scaleCount: Int
  ) -> AspectTemplate {
    let known = AspectTemplate.all.filter { template in
      configuration.knows(template.schedule(scaleCount: scaleCount).finalGrid)
    }
    return AspectTemplate.nearest(heightOverWidth: heightOverWidth, among: known)
      ?? ownTemplate(configuration.schedule)
  }

  /// Whether scales are the first ones of an official template.
  private static func isPrefix(_ own: ScaleSchedule) -> Bool {
    own.scales.count <= 13
      && ownTemplate(own).schedule(scaleCount: own.scales.count).scales == own.scales
  }

  private static func ownTemplate(_ own: ScaleSchedule) -> AspectTemplate {
    AspectTemplate.nearest(
      heightOverWidth: Double(own.finalGrid.height) / Double(own.finalGrid.width))
  }

  private static func scaleCount(
    _ configuration: VARGPTConfiguration, _ size: DrawingSize
  ) throws(VARLiteError) -> Int {
    let own = configuration.schedule
    let stride = configuration.vae.stride
    let ownCount = own.scales.count
    let isPrefix = isPrefix(own)
    switch size {
    case .budget(let budget): return budget.scaleCount
    case .modelDefault:
      guard isPrefix else {
        throw VARLiteError(
          .request,
          "the model's own scales belong to no official shape; name a size with the shape")
      }
      return ownCount
    case .pixels(let pixels):
      if isPrefix, pixels == max(own.finalGrid.height, own.finalGrid.width) * stride {
        return ownCount
      }
      if let budget = PixelBudget.allCases.first(where: { $0.squareSizePixels == pixels }) {
        return budget.scaleCount
      }
      var sizes = PixelBudget.allCases.map(\.squareSizePixels)
      if isPrefix { sizes.append(max(own.finalGrid.height, own.finalGrid.width) * stride) }
      let list = Set(sizes).sorted().map(String.init).joined(separator: ", ")
      throw VARLiteError(.request, "no size of \(pixels) px; there are \(list)")
    }
  }
}
