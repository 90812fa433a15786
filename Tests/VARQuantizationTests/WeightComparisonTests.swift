import Testing
import VARQuantization

/// The figures of stored weights, worked out by hand.
@Suite struct WeightComparisonTests {
  /// A weight of one unit in tiles or a table, and what its rows are compared with.
  private struct Sample {
    let format: WeightFormat
    var codes: [UInt8]
    var scales: [UInt8] = []
    var superscales: [UInt8] = []

    init(_ format: WeightFormat, codes: [UInt8]) {
      self.format = format
      self.codes = codes
    }

    /// - Parameter differences: what the original has more than the stored weight, by element.
    func comparison(_ differences: [Int: Float] = [:]) -> WeightComparison {
      let decoder = WeightDecoder(format: format)
      var stored = [Float](repeating: .nan, count: format.rows * format.cols)
      stored.withUnsafeMutableBufferPointer { stored in
        decoder.decode(
          codes: codes, scales: scales, superscales: superscales, rowCount: format.rows,
          into: stored.baseAddress!)
      }
      var original = stored
      for (element, difference) in differences { original[element] += difference }
      return compare(original, stored, saturatedCount: decoder.saturatedCount)
    }
  }

  private static func compare(
    _ original: [Float], _ stored: [Float], saturatedCount: Int = 0
  ) -> WeightComparison {
    var comparison = WeightComparison()
    original.withUnsafeBufferPointer { original in
      stored.withUnsafeBufferPointer {
        comparison.add(original, $0, saturatedCount: saturatedCount)
      }
    }
    return comparison
  }

  private func expectEqual(
    _ found: Double, _ expected: Double, _ location: SourceLocation = #_sourceLocation
  ) {
    #expect(abs(found - expected) <= 1e-12 * abs(expected), sourceLocation: location)
  }

  @Test func figuresOfFourElements() {
    let comparison = Self.compare([3, -4, 0, 0], [3, -3, 0, 0.5])
    expectEqual(comparison.error.squaredError, 1.25)
    expectEqual(comparison.error.relative, 0.05.squareRoot())
    // 10 log10(20)
    expectEqual(comparison.signalToNoise, 13.010299956639813)
    #expect(comparison.elementCount == 4)
    #expect(comparison.largestError == 1)
    #expect(comparison.rootMeanSquare == 2.5)
    expectEqual(comparison.largestErrorOverRootMeanSquare, 0.4)
    #expect(comparison.zeroShare == 0.25)
    #expect(comparison.saturatedShare == 0)
  }

  @Test func partsAddUp() {
    var sum = Self.compare([3, -4], [3, -3], saturatedCount: 1)
    sum += Self.compare([0, 0], [0, 0.5], saturatedCount: 1)
    var whole = Self.compare([3, -4, 0, 0], [3, -3, 0, 0.5], saturatedCount: 2)
    #expect(sum == whole)
    #expect(whole.saturatedShare == 0.5)
    whole += WeightComparison()
    #expect(sum == whole)
  }

  @Test func nothingIsOffOrAllIs() {
    let same = Self.compare([1, 2], [1, 2])
    #expect(same.signalToNoise == .infinity && same.largestErrorOverRootMeanSquare == 0)
    let zeros = Self.compare([0, 0], [0, 0])
    #expect(zeros.signalToNoise == .infinity && zeros.zeroShare == 1)
    let noise = Self.compare([0, 0], [0, 1])
    #expect(noise.signalToNoise == -.infinity && noise.error.relative == .infinity)
    #expect(WeightComparison().zeroShare == 0)
    // A number that is none is no small error, wherever it stands.
    for original: [Float] in [[.nan, 1, 2], [1, .nan, 2], [1, 2, .nan]] {
      let lost = Self.compare(original, [0, 0, 0])
      #expect(lost.largestError.isNaN && lost.error.relative == .infinity)
      #expect(lost.signalToNoise == -.infinity)
    }
  }

  @Test func int8InTiles() {
    let format = WeightFormat(precision: .int8, layout: .tiles, rows: 2, cols: 32, groupSize: 32)
    // Rows that the tile has and the weight has not: they count for nothing.
    var codes = [UInt8](repeating: 127, count: 16 * 32)
    for row in 0..<2 {
      for col in 0..<32 { codes[col / 4 * 64 + row * 4 + col % 4] = 5 }
    }
    func set(_ row: Int, _ col: Int, _ code: Int8) {
      codes[col / 4 * 64 + row * 4 + col % 4] = UInt8(bitPattern: code)
    }
    set(0, 0, 127)
    set(0, 9, -127)
    set(0, 31, 126)
    for col in 1..<4 { set(0, col, 0) }
    // A row whose scale is 0.
    for col in 0..<16 { set(1, col, 127) }
    var sample = Sample(format, codes: codes)
    sample.scales = [UInt8](repeating: 0, count: 16 * 2)
    // 1.0 as fp16: the factor of the codes is 2^-12.
    (sample.scales[0], sample.scales[1]) = (0x00, 0x3c)
    let comparison = sample.comparison([5: 0x1p-10, 40: -0x1p-11])
    #expect(comparison.elementCount == 64)
    #expect(comparison.saturatedShare == 2.0 / 64)
    // Three codes, and the row without a scale.
    #expect(comparison.zeroShare == 35.0 / 64)
    #expect(comparison.largestError == 0x1p-10)
    // In units of 2^-12: errors 4 and 2; originals 127, -127, 126, one 5 + 4, 25 times 5, and -2.
    let noise: Double = 16 + 4
    let signal = Double(2 * 127 * 127 + 126 * 126 + 9 * 9 + 25 * 25 + 2 * 2)
    expectEqual(comparison.error.relative, (noise / signal).squareRoot())
    expectEqual(comparison.largestErrorOverRootMeanSquare, 4 / (signal / 64).squareRoot())
  }

  @Test(arguments: [WeightFormat.Layout.tiles, .table]) func int4(layout: WeightFormat.Layout) {
    let format = WeightFormat(precision: .int4, layout: layout, rows: 2, cols: 32, groupSize: 32)
    // Entry 8 of the codebook is 0; rows that the tile has and the weight has not are full.
    var codes = [UInt8](repeating: layout == .tiles ? 0xFF : 0x88, count: format.byteCounts.codes)
    if layout == .tiles {
      for row in 0..<2 {
        for byte in 0..<16 { codes[byte / 4 * 64 + row * 4 + byte % 4] = 0x88 }
      }
    }
    // The first and the last entry, in the first row; one of the two in the second, whose scale is 0.
    codes[0] = 0xF0
    codes[layout == .tiles ? 4 : 16] = 0xF8
    var sample = Sample(format, codes: codes)
    sample.scales = [50] + [UInt8](repeating: 0, count: format.byteCounts.scales - 1)
    sample.superscales = [UInt8](repeating: 0, count: format.byteCounts.superscales)
    (sample.superscales[0], sample.superscales[1]) = (0x00, 0x3c)
    let comparison = sample.comparison([7: 0x1p-6])
    #expect(comparison.saturatedShare == 2.0 / 64)
    #expect(comparison.zeroShare == 62.0 / 64)
    #expect(comparison.largestError == 0x1p-6)
    // In units of 2^-16.
    let signal = Double(6350 * 6350 + 5350 * 5350 + 1024 * 1024)
    expectEqual(comparison.error.relative, 1024 / signal.squareRoot())
    expectEqual(comparison.largestErrorOverRootMeanSquare, 1024 / (signal / 64).squareRoot())
  }

  @Test(arguments: [Precision.f16, .bf16, .f32]) func floats(precision: Precision) {
    let format = WeightFormat(precision: precision, layout: .table, rows: 1, cols: 4, groupSize: 0)
    // 1, 0, -2, 0.5
    let codes: [UInt8] =
      switch precision {
      case .f16: [0x00, 0x3c, 0, 0, 0x00, 0xc0, 0x00, 0x38]
      case .bf16: [0x80, 0x3f, 0, 0, 0x00, 0xc0, 0x00, 0x3f]
      default: [0, 0, 0x80, 0x3f, 0, 0, 0, 0, 0, 0, 0, 0xc0, 0, 0, 0, 0x3f]
      }
    let comparison = Sample(format, codes: codes).comparison([3: 0.25])
    #expect(comparison.saturatedShare == 0)
    #expect(comparison.zeroShare == 0.25)
    #expect(comparison.largestError == 0.25)
    expectEqual(comparison.error.relative, 0.25 / (1 + 4 + 0.5625).squareRoot())
  }
}
