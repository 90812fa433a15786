import CVARKernels

/// The levels that a weight over its scale is rounded to: those of a codebook, or all integers of int8.
///
/// The rule is the nearest quantizer's, to the bit: values are rounded to integers first.
struct RoundingLevels {
  /// Entries in ascending order; empty for int8.
  private let entries: [Float]
  /// A value above `thresholds[i]` takes an entry above `i`.
  private let thresholds: [Float]
  /// Index of each entry, by entry plus 128.
  let indices: [UInt8]

  init(_ format: WeightFormat) {
    let codebook = format.codebook
    entries = codebook.map { Float($0) }
    thresholds = zip(codebook, codebook.dropFirst()).map { low, high in
      let sum = Int(low) + Int(high)
      return Float((sum - (sum & 1)) / 2)
    }
    var indices = [UInt8](repeating: 0, count: 256)
    for (index, entry) in codebook.enumerated() { indices[Int(entry) + 128] = UInt8(index) }
    self.indices = indices
  }

  /// Adding and subtracting it rounds half to even.
  private static let rounder: Float = 12_582_912

  /// The level nearest to weights over their scale; to 0 where that is no number.
  @inline(__always) func nearest(_ scaled: Lanes) -> Lanes {
    let limit = Lanes(repeating: 127)
    var value = scaled.replacing(with: 0, where: scaled .!= scaled)
    value.clamp(lowerBound: -limit, upperBound: limit)
    value = (value + Lanes(repeating: Self.rounder)) - Lanes(repeating: Self.rounder)
    guard !entries.isEmpty else { return value }
    return entries.withUnsafeBufferPointer { entries in
      thresholds.withUnsafeBufferPointer { thresholds in
        var level = Lanes(repeating: entries[0])
        for index in thresholds.indices {
          level.replace(with: entries[index + 1], where: value .> thresholds[index])
        }
        return level
      }
    }
  }
}
