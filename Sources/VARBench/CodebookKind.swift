import VARQuantization

/// Which codebook the int4 weights of a benchmark have.
package enum CodebookKind: String, CaseIterable, Sendable {
  /// Within the range that the converter prefers.
  case narrow
  /// The whole range of a byte, as files of older converters have it.
  case wide

  var entries: [Int8] {
    switch self {
    case .narrow: Codebook.scaled(Codebook.gaussian, to: Codebook.fastRanges[0])
    case .wide: Codebook.gaussian
    }
  }
}
