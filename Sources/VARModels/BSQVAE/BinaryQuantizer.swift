import VARKernels

/// Binary spherical quantization over scales: a token of `d` bits stands for a vector of `+-1/sqrt(d)`.
package struct BinaryQuantizer {
  package let codebookDim: Int
  package let schedule: ScaleSchedule

  package init(codebookDim: Int, schedule: ScaleSchedule) {
    self.codebookDim = codebookDim
    self.schedule = schedule
  }

  private var magnitude: Float { 1 / Float(codebookDim).squareRoot() }

  /// `codes` = those of bits, a row for each token.
  package func codes(of bits: UnsafeBufferPointer<UInt8>, into codes: Rows) {
    let (magnitude, values) = (magnitude, codes.values)
    precondition(bits.count == values.count, "a code for each bit")
    for index in bits.indices { values[index] = bits[index] == 0 ? -magnitude : magnitude }
  }

  /// Adds the codes of scale `index` to `sum`, which lies on the final grid, as `scratch` does.
  package func accumulate(_ codes: Rows, scale index: Int, into sum: Rows, scratch: Rows) {
    CodeMap.bilinear(
      codes, from: schedule.scales[index], to: schedule.finalGrid, into: scratch)
    let (sum, summand) = (sum.values, scratch.values)
    for index in sum.indices { sum[index] += summand[index] }
  }

  /// Bits of every scale, coarse to fine, of raw features `[finalGrid, codebookDim]` (MODEL 11).
  package func quantize(_ features: [Float]) -> [[UInt8]] {
    let grid = schedule.finalGrid
    let count = grid.tokenCount
    // A schedule of the model's own may have a scale that is larger than the final grid.
    let largest = schedule.largestTokenCount
    precondition(features.count == count * codebookDim, "features lie on the final grid")
    var memory =
      features + [Float](repeating: 0, count: (count + 2 * largest) * codebookDim)
    return memory.withMutableRows(columns: codebookDim) { rows in
      let (residual, upsampled) = (rows[..<count], rows[count..<2 * count])
      let scratch = rows[2 * count..<2 * count + 2 * largest]
      return schedule.scales.map { scale in
        let pooled = scratch[..<scale.tokenCount]
        let codes = scratch[largest..<largest + scale.tokenCount]
        if scale == grid {
          pooled.copy(from: residual)
        } else {
          CodeMap.area(residual, from: grid, to: scale, into: pooled)
        }
        // Dividing by the length changes no sign, so a bit is that of the pooled value.
        let bits = pooled.values.map { UInt8($0 > 0 ? 1 : 0) }
        bits.withUnsafeBufferPointer { self.codes(of: $0, into: codes) }
        CodeMap.bilinear(codes, from: scale, to: grid, into: upsampled)
        let (rest, part) = (residual.values, upsampled.values)
        for index in rest.indices { rest[index] -= part[index] }
        return bits
      }
    }
  }

  /// The sum of the codes of all scales on the final grid: what the decoder takes.
  package func sum(of bits: [[UInt8]]) -> [Float] {
    let count = schedule.finalGrid.tokenCount
    var memory = [Float](
      repeating: 0, count: (2 * count + schedule.largestTokenCount) * codebookDim)
    return memory.withMutableRows(columns: codebookDim) { rows in
      let (sum, scratch) = (rows[..<count], rows[count..<2 * count])
      for (index, scale) in bits.enumerated() {
        let codes = rows[2 * count..<2 * count + schedule.scales[index].tokenCount]
        scale.withUnsafeBufferPointer { self.codes(of: $0, into: codes) }
        accumulate(codes, scale: index, into: sum, scratch: scratch)
      }
      return Array(sum.values)
    }
  }
}
