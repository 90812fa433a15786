/// Height and width of a grid of tokens.
public struct GridSize: Sendable, Equatable, Hashable {
  /// Rows of tokens.
  public var height: Int
  /// Tokens of a row.
  public var width: Int

  public init(height: Int, width: Int) {
    self.height = height
    self.width = width
  }

  /// Tokens in all.
  public var tokenCount: Int { height * width }
}

/// The grids that a picture is drawn on, coarse to fine (MODEL 9.1).
public struct ScaleSchedule: Sendable, Equatable {
  /// The tokens of each scale, coarse to fine; at least one.
  public var scales: [GridSize]
  /// The grid that normalises rotary positions: the last one of the same template's 1M budget (MODEL 9.5).
  public var ropeReference: GridSize

  public init(scales: [GridSize], ropeReference: GridSize) {
    self.scales = scales
    self.ropeReference = ropeReference
  }

  /// The tokens of the last scale, which are the picture's.
  public var finalGrid: GridSize { scales[scales.count - 1] }
  /// Tokens of all scales.
  public var tokenCount: Int { scales.reduce(0) { $0 + $1.tokenCount } }
  /// Tokens of the largest scale, which need not be the last.
  public var largestTokenCount: Int { scales.reduce(0) { max($0, $1.tokenCount) } }
}

/// The pixel budgets that the official tables name, smallest first.
public enum PixelBudget: String, Sendable, CaseIterable {
  case budget006M = "0.06M"
  case budget025M = "0.25M"
  case budget060M = "0.60M"
  case budget1M = "1M"

  /// Scales of the template that the budget uses.
  public var scaleCount: Int {
    switch self {
    case .budget006M: 7
    case .budget025M: 10
    case .budget060M: 12
    case .budget1M: 13
    }
  }

  /// Longer side of the square picture in pixels.
  public var squareSizePixels: Int {
    switch self {
    case .budget006M: 256
    case .budget025M: 512
    case .budget060M: 768
    case .budget1M: 1024
    }
  }
}

/// An aspect ratio of the official tables with its 13 grids.
package struct AspectTemplate: Sendable, Equatable {
  /// Height divided by width, as the table spells it.
  package let name: String
  package let heightOverWidth: Double
  package let grids: [GridSize]

  /// The first `scaleCount` grids (1...13) of the template.
  package func schedule(scaleCount: Int) -> ScaleSchedule {
    precondition((1...grids.count).contains(scaleCount), "a template has \(grids.count) scales")
    return ScaleSchedule(
      scales: Array(grids.prefix(scaleCount)), ropeReference: grids[grids.count - 1])
  }

  /// The template whose ratio is nearest to a picture's height over width.
  package static func nearest(heightOverWidth: Double) -> AspectTemplate {
    nearest(heightOverWidth: heightOverWidth, among: all)!
  }

  /// The same among some templates; nil where there are none.
  package static func nearest(
    heightOverWidth: Double, among templates: [AspectTemplate]
  ) -> AspectTemplate? {
    templates.min {
      abs($0.heightOverWidth - heightOverWidth) < abs($1.heightOverWidth - heightOverWidth)
    }
  }
}
