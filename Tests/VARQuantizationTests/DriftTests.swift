import CVARKernels
import Testing
import VARQuantization
import VARTestSupport

/// Weights make up for what their inputs have lost, and stay as they are where these have lost nothing.
@Suite struct DriftTests {
  private static let rows = 21
  private static let cols = 160

  private static let floats = WeightFormat(
    precision: .f32, layout: .tiles, rows: rows, cols: cols, groupSize: 0)
  private static let int4 = WeightFormat(
    precision: .int4, layout: .tiles, rows: rows, cols: cols, groupSize: 32)

  private static let weights: [Float] = {
    var random = SplitMix64(seed: 17)
    return (0..<rows * cols).map { _ in random.nextBell() / 8 }
  }()

  /// Inputs of few causes about a mean, and the same with a part lost that depends on the rest.
  private static let inputs: (original: [[Float]], drifted: [[Float]]) = {
    var random = SplitMix64(seed: 18)
    let causes = (0..<12).map { _ in (0..<cols).map { _ in random.nextBell() } }
    let original = (0..<500).map { _ in
      var x = (0..<cols).map { _ in 0.5 + random.nextBell() / 4 }
      for cause in causes {
        let strength = random.nextBell()
        for column in 0..<cols { x[column] += strength * cause[column] }
      }
      return x
    }
    let drifted = original.map { x in
      x.indices.map { x[$0] - x[($0 + 7) % cols] / 8 + random.nextBell() / 16 - 0.125 }
    }
    return (original, drifted)
  }()

  /// What is known of inputs, about their means where there is a bias.
  private static func moments(
    _ original: [[Float]], _ drifted: [[Float]], blockCols: Int = cols, hasBias: Bool
  ) -> SecondMoments {
    let count = Float(drifted.count)
    func mean(_ value: (Int) -> Float) -> Float {
      drifted.indices.reduce(0) { $0 + value($1) } / count
    }
    var triangles: [Float] = []
    var products: [Float] = []
    for block in SecondMoments.blockRanges(cols: cols, blockCols: blockCols) {
      for row in block {
        for column in block {
          products.append(
            mean { (original[$0][row] - drifted[$0][row]) * drifted[$0][column] })
          if column <= row { triangles.append(mean { drifted[$0][row] * drifted[$0][column] }) }
        }
      }
    }
    let drift = InputDrift(
      products: products,
      means: (0..<cols).map { column in mean { original[$0][column] - drifted[$0][column] } })
    let moments = SecondMoments(
      cols: cols, blockCols: blockCols, tokenCount: drifted.count, triangles: triangles,
      drift: drift)
    let means = (0..<cols).map { column in mean { drifted[$0][column] } }
    return hasBias ? moments.centred(on: means) : moments
  }

  /// `W (C + d I) (H + d I)⁻¹` by elimination in f64, one row of `W` after the other.
  private func plainTarget(_ moments: SecondMoments) -> [Double] {
    let n = Self.cols
    let products = moments.drift!.products
    var matrix = [[Double]](repeating: [Double](repeating: 0, count: n + Self.rows), count: n)
    var next = 0
    for row in 0..<n {
      for column in 0...row {
        matrix[row][column] = Double(moments.triangles[next])
        matrix[column][row] = matrix[row][column]
        next += 1
      }
    }
    let added = (0..<n).reduce(0) { $0 + matrix[$1][$1] } / Double(n) * 0.01
    for row in 0..<n {
      for output in 0..<Self.rows {
        for column in 0..<n {
          let c =
            Double(products[column * n + row]) + matrix[min(row, column)][max(row, column)]
            + (row == column ? added : 0)
          matrix[row][n + output] += Double(Self.weights[output * n + column]) * c
        }
      }
    }
    for row in 0..<n { matrix[row][row] += added }
    for pivot in 0..<n {
      for row in pivot + 1..<n {
        let factor = matrix[row][pivot] / matrix[pivot][pivot]
        for column in pivot..<n + Self.rows {
          matrix[row][column] -= factor * matrix[pivot][column]
        }
      }
    }
    var target = [Double](repeating: 0, count: Self.rows * n)
    for output in 0..<Self.rows {
      for row in (0..<n).reversed() {
        var sum = matrix[row][n + output]
        for column in row + 1..<n { sum -= matrix[row][column] * target[output * n + column] }
        target[output * n + row] = sum / matrix[row][row]
      }
    }
    return target
  }

  @Test(arguments: [false, true]) func targetsAreThoseOfAPlainSolution(hasBias: Bool) throws {
    let moments = Self.moments(Self.inputs.original, Self.inputs.drifted, hasBias: hasBias)
    let encoded = try Encoded(
      Self.weights, Self.floats, compensation: Compensation(moments, isForIntegers: false))
    let (found, expected) = (encoded.decoded(Self.floats), plainTarget(moments))
    let largest = expected.map(abs).max() ?? 0
    for (index, (one, other)) in zip(found, expected).enumerated() {
      #expect(abs(Double(one) - other) < largest * 1e-4, "\(index)")
    }
    #expect(zip(found, Self.weights).contains { abs($0 - $1) > 0.01 })
    #expect(encoded.error.outputShifts.count == (hasBias ? Self.rows : 0))
    for (row, shift) in encoded.error.outputShifts.enumerated() {
      var expected = 0.0
      for column in 0..<Self.cols {
        let mean = Double(moments.means[column])
        let weight = Double(Self.weights[row * Self.cols + column])
        expected += weight * (mean + Double(moments.drift!.means[column]))
        expected -= Double(found[row * Self.cols + column]) * mean
      }
      #expect(abs(Double(shift) - expected) < 1e-3, "\(row)")
    }
  }

  @Test func inputsWithoutDriftLeaveWeightsAsTheyAre() throws {
    let moments = Self.moments(Self.inputs.drifted, Self.inputs.drifted, hasBias: true)
    let encoded = try Encoded(
      Self.weights, Self.floats, compensation: Compensation(moments, isForIntegers: false))
    #expect(encoded.decoded(Self.floats) == Self.weights)
    #expect(encoded.error.outputShifts.allSatisfy { $0 == 0 })
    let plain = Self.moments(Self.inputs.drifted, Self.inputs.drifted, hasBias: false)
    let (one, other) = (
      try Encoded(Self.weights, Self.int4, compensation: Compensation(plain)),
      try Encoded(
        Self.weights, Self.int4,
        compensation: Compensation(
          SecondMoments(
            cols: Self.cols, blockCols: Self.cols, tokenCount: 500, triangles: plain.triangles)))
    )
    #expect(one.codes == other.codes && one.scales == other.scales)
  }

  /// Outputs of rounded weights for drifted inputs, beside those of the original ones.
  private func cost(_ encoded: Encoded) -> Double {
    let decoded = encoded.decoded(Self.int4)
    let shifts = encoded.error.outputShifts
    var sum = 0.0
    for (x, drifted) in zip(Self.inputs.original, Self.inputs.drifted) {
      for row in 0..<Self.rows {
        var difference = -Double(shifts[row])
        for column in 0..<Self.cols {
          let index = row * Self.cols + column
          difference += Double(Self.weights[index]) * Double(x[column])
          difference -= Double(decoded[index]) * Double(drifted[column])
        }
        sum += difference * difference
      }
    }
    return sum
  }

  @Test func integersMakeUpForDriftToo() throws {
    let moments = Self.moments(Self.inputs.original, Self.inputs.drifted, hasBias: true)
    let without = SecondMoments(
      cols: Self.cols, blockCols: Self.cols, tokenCount: 500,
      triangles: Self.moments(Self.inputs.original, Self.inputs.drifted, hasBias: false).triangles
    ).centred(on: moments.means)
    let corrected = try Encoded(Self.weights, Self.int4, compensation: Compensation(moments))
    let rounded = try Encoded(Self.weights, Self.int4, compensation: Compensation(without))
    #expect(cost(corrected) < cost(rounded) * 0.5, "\(cost(corrected) / cost(rounded))")
    for number in 0..<CVAR_ISA_COUNT.rawValue {
      let isa = cvar_isa(rawValue: number)
      guard cvar_isa_is_supported(isa) != 0 else { continue }
      let other = try Encoded(
        Self.weights, Self.int4, compensation: Compensation(moments), isa: isa)
      #expect(other.codes == corrected.codes && other.scales == corrected.scales)
      #expect(other.error.outputShifts == corrected.error.outputShifts)
    }
  }

  @Test(arguments: [false, true]) func smallerBlocksAreParts(hasBias: Bool) throws {
    let (original, drifted) = (Self.inputs.original, Self.inputs.drifted)
    let cut = Self.moments(original, drifted, hasBias: hasBias).cut(blockCols: 128)
    let small = Self.moments(original, drifted, blockCols: 128, hasBias: hasBias)
    #expect(cut.triangles == small.triangles && cut.means == small.means)
    #expect(cut.drift?.products == small.drift?.products)
    #expect(cut.drift?.means == small.drift?.means)
    let one = Self.moments(original, drifted, blockCols: 64, hasBias: hasBias)
    let two = small.cut(blockCols: 64)
    #expect(one.drift?.products == two.drift?.products)
  }

  /// A bias takes nothing that is no number, and values beyond a type's range say what to do.
  @Test func whatCannotBeStoredIsRefused() throws {
    let drifted = Self.moments(Self.inputs.original, Self.inputs.drifted, hasBias: false)
    func moments(_ scale: Float, driftMean: Float) -> SecondMoments {
      SecondMoments(
        cols: Self.cols, blockCols: Self.cols, tokenCount: 500, triangles: drifted.triangles,
        drift: InputDrift(
          products: drifted.drift!.products.map { $0 * scale },
          means: [Float](repeating: driftMean, count: Self.cols)))
    }
    let zeros = [Float](repeating: 0, count: Self.cols)
    #expect(!moments(1, driftMean: 1e38).centred(on: zeros.map { _ in 1e38 }).isFinite)
    let far = moments(1, driftMean: 1e38).centred(on: zeros)
    #expect(far.isFinite)
    let weights = Self.weights.map { abs($0) + 1 }
    for format in [Self.floats, Self.int4] {
      let error = try #require(throws: QuantizationError.self) {
        try Encoded(weights, format, compensation: Compensation(far))
      }
      #expect(error.code == .notFinite)
      #expect(
        error.detail == "row 0: the calibration's means give its bias what is no finite number; "
          + "calibrate again")
    }
    let halves = WeightFormat(
      precision: .f16, layout: .tiles, rows: Self.rows, cols: Self.cols, groupSize: 0)
    let large = try #require(throws: QuantizationError.self) {
      try Encoded(
        Self.weights, halves,
        compensation: Compensation(moments(1e9, driftMean: 0), isForIntegers: false))
    }
    #expect(large.code == .tooLarge)
    #expect(large.detail.hasSuffix("give this weight f32 in the recipe and calibrate again"))
  }

  /// Moments that no inputs have leave weights that can be stored.
  @Test func extremesAreCorrected() throws {
    let count = SecondMoments.valueCount(cols: Self.cols, blockCols: Self.cols)
    for size: Float in [0, 1, 0x1p100] {
      var random = SplitMix64(seed: 19)
      let moments = SecondMoments(
        cols: Self.cols, blockCols: Self.cols, tokenCount: 1,
        triangles: (0..<count).map { _ in random.nextBell() * size },
        drift: InputDrift(
          products: (0..<Self.cols * Self.cols).map { _ in random.nextBell() * size },
          means: [Float](repeating: 0, count: Self.cols)))
      let encoded = try Encoded(Self.weights, Self.int4, compensation: Compensation(moments))
      #expect(encoded.decoded(Self.int4).allSatisfy { $0.isFinite }, "\(size)")
    }
  }
}
