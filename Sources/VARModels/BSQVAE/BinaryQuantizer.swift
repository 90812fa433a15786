/// Binary spherical quantization over scales: a token of `d` bits stands for a vector of `+-1/sqrt(d)`.
package struct BinaryQuantizer {
  package let codebookDim: Int
  package let schedule: ScaleSchedule

  package init(codebookDim: Int, schedule: ScaleSchedule) {
    self.codebookDim = codebookDim
    self.schedule = schedule
  }

  private var magnitude: Float { 1 / Float(codebookDim).squareRoot() }

  /// `codes[bits.count]` of bits.
  package func codes(of bits: UnsafeBufferPointer<UInt8>, into codes: UnsafeMutablePointer<Float>) {
    let magnitude = magnitude
    for index in bits.indices { codes[index] = bits[index] == 0 ? -magnitude : magnitude }
  }

  /// Adds the codes of scale `index` to `sum`, which lies on the final grid.
  package func accumulate(
    _ codes: UnsafePointer<Float>, scale index: Int, into sum: UnsafeMutablePointer<Float>,
    scratch: UnsafeMutablePointer<Float>
  ) {
    let grid = schedule.finalGrid
    CodeMap.bilinear(
      codes, from: schedule.scales[index], channels: codebookDim, to: grid, into: scratch)
    for position in 0..<grid.tokenCount * codebookDim { sum[position] += scratch[position] }
  }

  /// Bits of every scale, coarse to fine, of raw features `[finalGrid, codebookDim]` (ARCHITECTURE 11).
  package func quantize(_ features: [Float]) -> [[UInt8]] {
    let grid = schedule.finalGrid
    let count = grid.tokenCount * codebookDim
    precondition(features.count == count, "features lie on the final grid")
    // A schedule of the model's own may have a scale that is larger than the final grid.
    let largest = schedule.largestTokenCount * codebookDim
    var residual = features
    var pooled = [Float](repeating: 0, count: largest)
    var codes = [Float](repeating: 0, count: largest)
    var upsampled = [Float](repeating: 0, count: count)
    return schedule.scales.map { scale in
      if scale == grid {
        pooled.replaceSubrange(0..<count, with: residual)
      } else {
        CodeMap.area(residual, from: grid, channels: codebookDim, to: scale, into: &pooled)
      }
      // Dividing by the length changes no sign, so a bit is that of the pooled value.
      let bits = pooled.prefix(scale.tokenCount * codebookDim).map { UInt8($0 > 0 ? 1 : 0) }
      bits.withUnsafeBufferPointer { self.codes(of: $0, into: &codes) }
      CodeMap.bilinear(codes, from: scale, channels: codebookDim, to: grid, into: &upsampled)
      for index in 0..<count { residual[index] -= upsampled[index] }
      return bits
    }
  }

  /// The sum of the codes of all scales on the final grid: what the decoder takes.
  package func sum(of bits: [[UInt8]]) -> [Float] {
    let count = schedule.finalGrid.tokenCount * codebookDim
    var codes = [Float](repeating: 0, count: schedule.largestTokenCount * codebookDim)
    var scratch = [Float](repeating: 0, count: count)
    var sum = scratch
    for (index, scale) in bits.enumerated() {
      scale.withUnsafeBufferPointer { self.codes(of: $0, into: &codes) }
      accumulate(codes, scale: index, into: &sum, scratch: &scratch)
    }
    return sum
  }
}
