import VARModels

extension DrawingRequest {
  /// Scales of a picture, from the coarsest on, that are drawn in full.
  public enum LeadingScales: Sendable, Equatable {
    /// All.
    case all
    /// Those that are less than half as wide and high as the last one.
    case coarse
    /// This many, from the coarsest on, at least one.
    case first(Int)

    /// How many scales of a schedule.
    package func count(in schedule: ScaleSchedule) -> Int {
      switch self {
      case .all: return schedule.scales.count
      case .coarse:
        let last = schedule.finalGrid
        let coarse = schedule.scales.prefix {
          2 * $0.height < last.height && 2 * $0.width < last.width
        }
        return max(1, coarse.count)
      case .first(let count): return count
      }
    }
  }
}
