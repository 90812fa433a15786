import CVARKernels

/// The 16 levels of an int4 weight.
package enum Codebook {
  /// Equal steps, for weights without a peak at zero.
  package static let uniform: [Int8] = [
    -120, -105, -90, -75, -60, -45, -30, -15, 0, 15, 30, 45, 60, 75, 90, 105,
  ]
  /// Least squared error for Gaussian weights in groups of 32, by Lloyd's iteration on seeded samples.
  package static let gaussian: [Int8] = [
    -127, -100, -81, -65, -51, -38, -25, -12, 0, 12, 25, 38, 52, 66, 84, 107,
  ]
  /// Equal shares of a Gaussian per level (QLoRA's NF4), better for heavier tails.
  package static let quantile: [Int8] = [
    -127, -88, -67, -50, -36, -23, -12, 0, 10, 20, 31, 43, 56, 71, 92, 127,
  ]
  private static let candidates = [gaussian, quantile, uniform]

  /// The largest magnitudes of entries that a recipe may ask for.
  package static let ranges = 15...127
  /// What a signed byte holds.
  package static let fullRange = 127
  /// Ranges whose products kernels without int8 dot products multiply with fewer instructions, the fastest first
  /// (`formats/packed_types.md`).
  package static let fastRanges = [31, 63]
  /// How much larger the relative error of the weights may be for a faster range: 0.1 points.
  private static let fastRangeCost = 0.001

  /// The codebook with the least error on sample rows `x[rowCount][cols]`: the best candidate, moved to the means of
  /// its cells while that helps. The same rows always give the same codebook.
  ///
  /// - Parameter range: the largest magnitude of entries, within ``ranges``; nil takes the first of ``fastRanges`` that
  ///   costs hardly anything, or else ``fullRange``.
  package static func best(
    for x: UnsafePointer<Float>, rowCount: Int, cols: Int, groupSize: Int, range: Int? = nil
  ) -> [Int8] {
    var sample = Sample(x: x, rowCount: rowCount, cols: cols, groupSize: groupSize)
    if let range {
      precondition(ranges.contains(range), "a range of codebooks")
      return sample.search(candidates, range: range).codebook
    }
    let full = sample.search(candidates, range: fullRange)
    for range in fastRanges {
      let fast = sample.search([full.candidate], range: range)
      if sample.relative(fast.error) <= sample.relative(full.error) + fastRangeCost {
        return fast.codebook
      }
    }
    return full.codebook
  }

  /// A codebook of the whole range in a smaller one.
  package static func scaled(_ codebook: [Int8], to range: Int) -> [Int8] {
    guard range != fullRange else { return codebook }
    return codebook.map {
      Int8((Double($0) * Double(range) / Double(fullRange)).rounded(.toNearestOrEven))
    }
  }
}

private struct Sample {
  let x: UnsafePointer<Float>
  private(set) var rowCount: Int
  let cols: Int
  let groupSize: Int
  private let quantizers = cvar_weight_quantizers_for(cvar_isa_best()).pointee
  private var tile: [UInt8]
  private var scales: [Int8]
  private var superscales: [UInt16]
  private var indices: [UInt8]
  private var errors: [cvar_weight_error]

  init(x: UnsafePointer<Float>, rowCount: Int, cols: Int, groupSize: Int) {
    self.x = x
    self.rowCount = rowCount
    self.cols = cols
    self.groupSize = groupSize
    let counts = WeightFormat(
      precision: .int4, layout: .tiles, rows: rowCount, cols: cols, groupSize: groupSize
    ).tileByteCounts
    tile = [UInt8](repeating: 0, count: counts.codes)
    scales = [Int8](repeating: 0, count: counts.scales)
    superscales = [UInt16](repeating: 0, count: counts.superscales / 2)
    indices = [UInt8](repeating: 0, count: cols)
    errors = [cvar_weight_error](
      repeating: cvar_weight_error(squared_error: 0, squared_sum: 0), count: Self.unit)
  }

  private static let unit = WeightFormat.unitRowCount
  private static let refinementCount = 4

  /// The best of some candidates of the full range in a smaller one, moved to the means of its cells while that helps;
  /// and which it was.
  mutating func search(
    _ candidates: [[Int8]], range: Int
  ) -> (codebook: [Int8], error: Double, candidate: [Int8]) {
    var best = (codebook: candidates[0], error: Double.infinity, candidate: candidates[0])
    best.codebook = Codebook.scaled(candidates[0], to: range)
    for candidate in candidates {
      let codebook = Codebook.scaled(candidate, to: range)
      let error = error(codebook)
      if error < best.error { best = (codebook, error, candidate) }
    }
    for _ in 0..<Self.refinementCount {
      guard let moved = cellMeans(of: best.codebook, range: range), moved != best.codebook else {
        break
      }
      let error = error(moved)
      guard error < best.error else { break }
      (best.codebook, best.error) = (moved, error)
    }
    guard range < Codebook.fullRange else { return best }
    let moved = descend(from: best.codebook, range: range)
    let error = error(moved)
    if error < best.error { (best.codebook, best.error) = (moved, error) }
    return best
  }

  private static let descentElementCount = 1 << 14
  private static let sweepCount = 3

  /// Moves each entry in turn by 1 where that helps a part of the rows: entries of a small range are too coarse for
  /// means to be rounded.
  private mutating func descend(from codebook: [Int8], range: Int) -> [Int8] {
    var part = self
    part.rowCount = min(rowCount, max(Self.unit, Self.descentElementCount / cols))
    var best = (codebook: codebook, error: part.error(codebook))
    for _ in 0..<Self.sweepCount {
      let before = best.error
      for index in codebook.indices {
        for step: Int8 in [-1, 1] {
          var moved = best.codebook
          moved[index] += step
          let isAscending = zip(moved, moved.dropFirst()).allSatisfy { $0 < $1 }
          guard isAscending, abs(Int(moved[index])) <= range else { continue }
          let error = part.error(moved)
          if error < best.error { best = (moved, error) }
        }
      }
      if best.error == before { break }
    }
    return best.codebook
  }

  /// The root of an error beside that of all squares.
  func relative(_ error: Double) -> Double {
    var squares = 0.0
    for index in 0..<rowCount * cols { squares += Double(x[index]) * Double(x[index]) }
    return squares > 0 ? (error / squares).squareRoot() : 0
  }

  /// Quantizes up to 16 rows; gives their number, or nil where a value is out of range.
  private mutating func quantize(from first: Int, _ codebook: [Int8]) -> Int? {
    let count = min(Self.unit, rowCount - first)
    let doneCount = quantizers.quantize_int4(
      x + first * cols, cols, Int32(count), Int32(cols), Int32(groupSize), codebook, &tile,
      &scales, &superscales, &errors)
    return doneCount == Int32(count) ? count : nil
  }

  /// The squared error, or infinity where a value is out of range.
  private mutating func error(_ codebook: [Int8]) -> Double {
    var sum = 0.0
    for first in stride(from: 0, to: rowCount, by: Self.unit) {
      guard let count = quantize(from: first, codebook) else { return .infinity }
      for row in 0..<count { sum += errors[row].squared_error }
    }
    return sum
  }

  /// Each level moved to the scale-weighted mean of the weights that chose it, in units that use the whole range; nil
  /// where that leaves no 16 ascending levels.
  private mutating func cellMeans(of codebook: [Int8], range: Int) -> [Int8]? {
    var products = [Double](repeating: 0, count: 16)
    var squares = [Double](repeating: 0, count: 16)
    for first in stride(from: 0, to: rowCount, by: Self.unit) {
      guard let count = quantize(from: first, codebook) else { return nil }
      for row in 0..<count { add(row, x + (first + row) * cols, &products, &squares) }
    }
    let means = (0..<16).map {
      squares[$0] > 0 ? products[$0] / squares[$0] : Double(codebook[$0])
    }
    let largest = max(-means[0], means[15])
    guard largest > 0 else { return nil }
    let levels = means.map { ($0 * Double(range) / largest).rounded(.toNearestOrEven) }
    for index in 1..<16 where !(levels[index] > levels[index - 1]) { return nil }
    guard levels[0] >= Double(-range), levels[15] <= Double(range) else { return nil }
    return levels.map { Int8($0) }
  }

  /// Adds a row of the tile to the sums of its cells.
  private mutating func add(
    _ row: Int, _ x: UnsafePointer<Float>, _ products: inout [Double], _ squares: inout [Double]
  ) {
    cvar_untile_row_int4(tile, Int32(cols), Int32(row), &indices)
    for start in stride(from: 0, to: cols, by: groupSize) {
      let unit = cvar_f32_from_f16(
        superscales[start / WeightFormat.superblockCols * Self.unit + row])
      let scale = Double(Float(scales[start / groupSize * Self.unit + row]) * unit * 0x1p-16)
      for col in start..<start + groupSize {
        products[Int(indices[col])] += Double(x[col]) * scale
        squares[Int(indices[col])] += scale * scale
      }
    }
  }
}
