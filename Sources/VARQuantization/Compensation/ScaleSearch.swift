/// Looks for the scale of each group whose nearest levels cost least where errors count by the diagonal of `H`.
///
/// That is importance-weighted rounding, as llama.cpp's with an importance matrix. By itself it gains little; as a
/// second start for levels with feedback it gives scales that suit the inputs which weigh most.
final class ScaleSearch {
  /// The scales that were found.
  let scales: LaneColumns
  private let rounding: RoundingLevels
  private let groupSize: Int

  /// What the present scale is multiplied with.
  private static let factors: [Float] = [0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.05, 1.1, 1.15, 1.2]

  init(_ rounding: RoundingLevels, groupSize: Int, groupCount: Int) {
    self.rounding = rounding
    self.groupSize = groupSize
    scales = LaneColumns(groupCount)
  }

  /// - Parameters:
  ///   - weights: of the block's columns.
  ///   - present: the scales of its groups.
  ///   - groups: the block's groups in the unit.
  func search(
    _ weights: LaneColumns, _ present: LaneColumns, _ feedback: ErrorFeedback, _ unit: UnitStreams,
    _ groups: Range<Int>
  ) {
    for group in 0..<groups.count {
      var best = present[group]
      var least = cost(weights, group, best, feedback)
      for factor in Self.factors {
        let scale = unit.storable(present[group] * factor, groups.lowerBound + group)
        let cost = cost(weights, group, scale, feedback)
        best.replace(with: scale, where: cost .< least)
        least.replace(with: cost, where: cost .< least)
      }
      scales[group] = best
    }
  }

  private func cost(
    _ weights: LaneColumns, _ group: Int, _ scale: Lanes, _ feedback: ErrorFeedback
  ) -> Lanes {
    var inverse = Lanes(repeating: 1) / scale
    inverse.replace(with: 0, where: scale .== 0)
    var cost = Lanes.zero
    for column in group * groupSize..<(group + 1) * groupSize {
      let error = weights[column] - rounding.nearest(weights[column] * inverse) * scale
      cost += error * error * feedback.diagonal[column]
    }
    return cost
  }
}
