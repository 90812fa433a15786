import CVARKernels
import Testing
import VARQuantization
import VARTestSupport

/// Rounding that makes errors good costs less where inputs have something in common, and never more.
@Suite struct CompensationTests {
  private static let rows = 37
  private static let cols = 192

  private static let formats = [
    WeightFormat(precision: .int4, layout: .tiles, rows: rows, cols: cols, groupSize: 32),
    WeightFormat(precision: .int4, layout: .tiles, rows: rows, cols: cols, groupSize: 64),
    WeightFormat(precision: .int8, layout: .tiles, rows: rows, cols: cols, groupSize: 64),
  ]

  private static let weights: [Float] = {
    var random = SplitMix64(seed: 7)
    return (0..<rows * cols).map { _ in random.nextBell() / 8 }
  }()

  /// Inputs that are sums of few causes, some larger than others.
  private static let inputs: [[Float]] = {
    var random = SplitMix64(seed: 8)
    let causes = (0..<24).map { _ in (0..<cols).map { _ in random.nextBell() } }
    return (0..<600).map { _ in
      var x = (0..<cols).map { _ in random.nextBell() / 4 }
      for cause in causes {
        let strength = random.nextBell()
        for column in 0..<cols { x[column] += strength * cause[column] }
      }
      return x
    }
  }()

  /// Triangles that no inputs have: negative, without sense, and too large for products.
  private static let impossible: [[Float]] = {
    var random = SplitMix64(seed: 9)
    let count = SecondMoments.valueCount(cols: cols, blockCols: cols)
    return [
      [Float](repeating: -1, count: count), (0..<count).map { _ in random.nextBell() },
      (0..<count).map { _ in random.nextBell() * 0x1p120 },
    ]
  }()

  private static func moments(_ inputs: [[Float]], blockCols: Int = cols) -> SecondMoments {
    var triangles: [Float] = []
    for block in SecondMoments.blockRanges(cols: cols, blockCols: blockCols) {
      for row in block {
        for column in block.lowerBound...row {
          triangles.append(
            inputs.reduce(0) { $0 + $1[row] * $1[column] } / Float(inputs.count))
        }
      }
    }
    return SecondMoments(
      cols: cols, blockCols: blockCols, tokenCount: inputs.count, triangles: triangles)
  }

  /// Mean square of what rounding adds to the outputs for some inputs.
  private func cost(_ encoded: Encoded, _ format: WeightFormat, _ inputs: [[Float]]) -> Double {
    let decoded = encoded.decoded(format)
    var sum = 0.0
    for x in inputs {
      for row in 0..<Self.rows {
        var difference = 0.0
        for column in 0..<Self.cols {
          let index = row * Self.cols + column
          difference += Double(Self.weights[index] - decoded[index]) * Double(x[column])
        }
        sum += difference * difference
      }
    }
    return sum / Double(inputs.count * Self.rows)
  }

  @Test(arguments: formats) func errorsAreMadeGood(format: WeightFormat) throws {
    let (known, unseen) = (Array(Self.inputs[..<400]), Array(Self.inputs[400...]))
    let nearest = try Encoded(Self.weights, format)
    let whole = try Encoded(
      Self.weights, format, compensation: Compensation(Self.moments(known)))
    let blocks = try Encoded(
      Self.weights, format, compensation: Compensation(Self.moments(known, blockCols: 128)))
    let (before, after) = (cost(nearest, format, unseen), cost(whole, format, unseen))
    #expect(after < before * 0.35, "\(after / before)")
    #expect(cost(blocks, format, unseen) < before * 0.7, "\(cost(blocks, format, unseen) / before)")
    // The weights themselves become less alike.
    #expect(whole.error.squaredError > nearest.error.squaredError)
  }

  @Test(arguments: formats) func theGainIsInWhatInputsHaveInCommon(format: WeightFormat) throws {
    let shuffled = Self.inputs.map { x in
      x.indices.map { x[($0 * 79 + 5) % x.count] }
    }
    let wrong = try Encoded(
      Self.weights, format, compensation: Compensation(Self.moments(shuffled)))
    let nearest = try Encoded(Self.weights, format)
    #expect(cost(wrong, format, Self.inputs) > cost(nearest, format, Self.inputs) * 0.9)
    if format.precision == .int8 { #expect(wrong.hasNoNegativeScale) }
  }

  @Test(arguments: formats) func inputsWithNothingInCommonAreRoundedToTheNearest(
    format: WeightFormat
  ) throws {
    var triangles: [Float] = []
    for row in 0..<Self.cols {
      triangles += [Float](repeating: 0, count: row) + [1]
    }
    let moments = SecondMoments(
      cols: Self.cols, blockCols: Self.cols, tokenCount: 1000, triangles: triangles)
    let identity = try Encoded(
      Self.weights, format, compensation: Compensation(moments, steps: .feedbackAlone))
    let nearest = try Encoded(Self.weights, format)
    #expect(identity.codes == nearest.codes)
    #expect(identity.scales == nearest.scales)
    #expect(identity.superscales == nearest.superscales)
  }

  @Test(arguments: formats) func everyInstructionSetGivesTheSameBytes(
    format: WeightFormat
  ) throws {
    let compensation = Compensation(Self.moments(Self.inputs))
    let scalar = try Encoded(
      Self.weights, format, compensation: compensation, isa: CVAR_ISA_SCALAR)
    for number in 0..<CVAR_ISA_COUNT.rawValue {
      let isa = cvar_isa(rawValue: number)
      guard cvar_isa_is_supported(isa) != 0 else { continue }
      let other = try Encoded(Self.weights, format, compensation: compensation, isa: isa)
      #expect(other.codes == scalar.codes && other.scales == scalar.scales)
    }
  }

  /// Groups of zeros, one outlier, numbers near the smallest, and inputs that are always zero.
  @Test(arguments: formats) func extremesAreRounded(format: WeightFormat) throws {
    var weights = Self.weights
    for column in 0..<64 { weights[column] = 0 }
    weights[Self.cols + 3] = 100
    for column in 0..<Self.cols { weights[2 * Self.cols + column] *= 0x1p-126 }
    var inputs = Self.inputs
    for index in inputs.indices { inputs[index][5] = 0 }
    let compensation = Compensation(Self.moments(inputs))
    let decoded = try Encoded(weights, format, compensation: compensation).decoded(format)
    #expect(decoded.allSatisfy { $0.isFinite })
    #expect(decoded[..<64].allSatisfy { $0 == 0 })
    #expect(abs(decoded[Self.cols + 3] - 100) < 20)
    for triangle in Self.impossible {
      let moments = SecondMoments(
        cols: Self.cols, blockCols: Self.cols, tokenCount: 1, triangles: triangle)
      let rounded = try Encoded(weights, format, compensation: Compensation(moments))
      #expect(rounded.decoded(format).allSatisfy { $0.isFinite })
      if format.precision == .int8 { #expect(rounded.hasNoNegativeScale) }
    }
    let dead = Compensation(
      SecondMoments(
        cols: Self.cols, blockCols: Self.cols, tokenCount: 1,
        triangles: [Float](
          repeating: 0,
          count: SecondMoments.valueCount(cols: Self.cols, blockCols: Self.cols))))
    let lost = try Encoded(weights, format, compensation: dead).decoded(format)
    #expect(lost.allSatisfy { $0.isFinite })
  }
}

extension Encoded {
  /// Whether the sign of no half is set: files have no negative scale of int8.
  fileprivate var hasNoNegativeScale: Bool {
    scales.indices.allSatisfy { $0 % 2 == 0 || scales[$0] < 0x80 }
  }
}
