import CVARKernels
import Testing
import VARQuantization
import VARTestSupport

extension SplitMix64 {
  /// Nearly Gaussian with deviation 1: the sum of twelve even numbers.
  mutating func nextBell() -> Float { (0..<12).reduce(0) { sum, _ in sum + nextFloat() / 2 } }
}

/// A weight encoded unit by unit, and its error.
struct Encoded {
  var codes: [UInt8] = []
  var scales: [UInt8] = []
  var superscales: [UInt8] = []
  var error = WeightError()

  init(
    _ x: [Float], _ format: WeightFormat, compensation: Compensation? = nil,
    isa: cvar_isa = cvar_isa_best()
  ) throws {
    let encoder = WeightEncoder(format: format, compensation: compensation, isa: isa)
    for first in stride(from: 0, to: format.rows, by: 16) {
      let rowCount = min(16, format.rows - first)
      let counts = format.byteCounts(rowCount: rowCount)
      var streams = [counts.codes, counts.scales, counts.superscales].map {
        [UInt8](repeating: 0xAA, count: $0)
      }
      try x.withUnsafeBufferPointer { x in
        let pointers = streams.indices.map { index in
          streams[index].withUnsafeMutableBytes {
            $0.baseAddress ?? UnsafeMutableRawPointer(bitPattern: 8)!
          }
        }
        let output = WeightEncoder.Output(
          codes: pointers[0], scales: pointers[1], superscales: pointers[2])
        error += try encoder.encode(
          x.baseAddress! + first * format.cols, rowCount: rowCount, into: output, name: "w",
          firstRow: first)
      }
      codes += streams[0]
      scales += streams[1]
      superscales += streams[2]
    }
  }

  func decoded(_ format: WeightFormat) -> [Float] {
    let decoder = WeightDecoder(format: format)
    var x = [Float](repeating: .nan, count: format.rows * format.cols)
    for first in stride(from: 0, to: format.rows, by: 16) {
      let start = format.byteCounts(rowCount: first)
      x.withUnsafeMutableBufferPointer { x in
        codes.withUnsafeBytes { codes in
          scales.withUnsafeBytes { scales in
            superscales.withUnsafeBytes { superscales in
              decoder.decode(
                codes: codes.baseAddress! + start.codes,
                scales: scales.baseAddress.map { $0 + start.scales },
                superscales: superscales.baseAddress.map { $0 + start.superscales },
                rowCount: min(16, format.rows - first), into: x.baseAddress! + first * format.cols)
            }
          }
        }
      }
    }
    return x
  }
}

@Suite struct WeightCodingTests {
  private func gaussian(_ count: Int, seed: UInt64) -> [Float] {
    var random = SplitMix64(seed: seed)
    return (0..<count).map { _ in random.nextBell() * 0.02 }
  }

  private func format(
    _ precision: Precision, _ layout: WeightFormat.Layout, rows: Int, cols: Int, group: Int = 0
  ) -> WeightFormat {
    WeightFormat(
      precision: precision, layout: layout, rows: rows, cols: cols, groupSize: group)
  }

  @Test(
    arguments: [
      (Precision.int4, 16, 0.066), (.int4, 32, 0.0755), (.int4, 64, 0.084), (.int4, 128, 0.091),
      (.int8, 32, 0.0056), (.int8, 64, 0.0062), (.int8, 128, 0.0068), (.f16, 0, 0.0003),
      (.bf16, 0, 0.0025), (.f32, 0, 0),
    ], [WeightFormat.Layout.tiles, .table])
  func errorIsWhatTheDecoderSeesAndWithinTheBound(
    what: (precision: Precision, group: Int, bound: Double), layout: WeightFormat.Layout
  ) throws {
    let x = gaussian(37 * 1408, seed: 5)
    let format = format(what.precision, layout, rows: 37, cols: 1408, group: what.group)
    let encoded = try Encoded(x, format)
    let counts = format.byteCounts
    #expect(encoded.codes.count == counts.codes)
    #expect(encoded.scales.count == counts.scales)
    #expect(encoded.superscales.count == counts.superscales)
    let values = encoded.decoded(format)
    var error = WeightError()
    for (original, stored) in zip(x, values) {
      let difference = Double(original) - Double(stored)
      error += WeightError(
        squaredError: difference * difference, squaredSum: Double(original) * Double(original))
    }
    #expect(abs(error.relative - encoded.error.relative) <= 1e-4 * encoded.error.relative)
    #expect(encoded.error.relative <= what.bound)
    #expect(encoded.error.relative >= what.bound * 0.5)
  }

  @Test(arguments: [(Precision.int8, 127, 1.0), (.int4, 7, 0.8)])
  func searchedScalesBeatTheLargestValue(
    precision: Precision, largestCode: Float, share: Double
  ) throws {
    let x = gaussian(16 * 1024, seed: 9)
    var absmax = WeightError()
    for start in stride(from: 0, to: x.count, by: 32) {
      let scale = x[start..<start + 32].map(abs).max()! / largestCode
      for value in x[start..<start + 32] {
        let difference = Double(value - (value / scale).rounded() * scale)
        absmax += WeightError(
          squaredError: difference * difference, squaredSum: Double(value) * Double(value))
      }
    }
    let format = format(precision, .tiles, rows: 16, cols: 1024, group: 32)
    #expect(try Encoded(x, format).error.relative < share * absmax.relative)
  }

  @Test func theBytesAreTheSameOnEveryMachine() throws {
    let x = gaussian(16 * 512, seed: 77)
    let hashes = try [Precision.int4, .int8].map { precision in
      let encoded = try Encoded(x, format(precision, .tiles, rows: 16, cols: 512, group: 32))
      // FNV-1a of all streams.
      return (encoded.codes + encoded.scales + encoded.superscales).reduce(
        0xCBF2_9CE4_8422_2325 as UInt64
      ) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    }
    #expect(hashes == [16_293_374_572_807_695_043, 16_175_509_975_916_255_869])
  }

  @Test func tilesFollowTheFormula() throws {
    let x = gaussian(20 * 64, seed: 3)
    let format8 = format(.int8, .tiles, rows: 20, cols: 64, group: 32)
    let tiles = try Encoded(x, format8)
    let rows = try Encoded(x, format(.int8, .table, rows: 20, cols: 64, group: 32))
    let tiles4 = try Encoded(x, format(.int4, .tiles, rows: 20, cols: 64, group: 32))
    let rows4 = try Encoded(x, format(.int4, .table, rows: 20, cols: 64, group: 32))
    for row in 0..<32 {
      for k in 0..<64 {
        let place = row / 16 * 16 * 64 + k / 4 * 64 + row % 16 * 4 + k % 4
        #expect(tiles.codes[place] == (row < 20 ? rows.codes[row * 64 + k] : 0))
        let place4 = row / 16 * 8 * 64 + k / 8 * 64 + row % 16 * 4 + k % 4
        let nibble = k % 8 < 4 ? tiles4.codes[place4] & 15 : tiles4.codes[place4] >> 4
        let byte = row < 20 ? rows4.codes[row * 32 + k / 8 * 4 + k % 4] : 0
        #expect(nibble == (k % 8 < 4 ? byte & 15 : byte >> 4))
      }
      for group in 0..<2 {
        let place = (row / 16 * 2 + group) * 16 + row % 16
        #expect(tiles4.scales[place] == (row < 20 ? rows4.scales[row * 2 + group] : 0))
        #expect(tiles.scales[place * 2] == (row < 20 ? rows.scales[(row * 2 + group) * 2] : 0))
      }
    }
    #expect(tiles.codes.allSatisfy { $0 != 0x80 })
  }

  @Test(arguments: [Precision.int4, .int8]) func zerosStayZero(precision: Precision) throws {
    var x = gaussian(2 * 512, seed: 4)
    for index in 0..<64 { x[index] = 0 }
    for index in 512..<1024 { x[index] = 0 }
    let format = format(precision, .tiles, rows: 2, cols: 512, group: 32)
    let values = try Encoded(x, format).decoded(format)
    #expect(values[0..<64].allSatisfy { $0 == 0 })
    #expect(values[512...].allSatisfy { $0 == 0 })
    #expect(values[64..<512].contains { $0 != 0 })
  }

  @Test(arguments: [Precision.int4, .int8, .f16, .bf16, .f32])
  func minuteWeightsKeepTheirSize(precision: Precision) throws {
    let x = gaussian(512, seed: 4).map { $0 * 0x1p-60 }
    let format = format(precision, .table, rows: 1, cols: 512, group: precision.defaultGroupSize)
    let values = try Encoded(x, format).decoded(format)
    let largest = x.map(abs).max()!
    #expect(values.allSatisfy { abs($0) <= largest })
  }

  @Test(arguments: [
    (Precision.int4, Float(1e6)), (.int8, 1e4), (.f16, 65520), (.bf16, .greatestFiniteMagnitude),
  ])
  func valuesBeyondTheRangeThrow(precision: Precision, value: Float) {
    var x = gaussian(64, seed: 1)
    x[40] = value
    let format = format(precision, .tiles, rows: 1, cols: 64, group: precision.isInteger ? 32 : 0)
    #expect { try Encoded(x, format) } throws: {
      ($0 as? QuantizationError)?.code == .tooLarge
    }
  }

  @Test(arguments: Precision.allCases, [Float.nan, .infinity, -.infinity])
  func valuesThatAreNotFiniteThrow(precision: Precision, value: Float) {
    var x = gaussian(16 * 320, seed: 1)
    x[7 * 320 + 300] = value
    let format = format(precision, .tiles, rows: 16, cols: 320, group: precision.isInteger ? 32 : 0)
    #expect { try Encoded(x, format) } throws: { error in
      let error = error as? QuantizationError
      return error?.code == .notFinite && error?.detail.hasPrefix("row 7, column 300 ") == true
    }
  }

  @Test func theCodebookFollowsTheWeights() throws {
    var random = SplitMix64(seed: 8)
    let flat = (0..<32 * 512).map { _ in random.nextFloat() }
    let peaked = (0..<32 * 512).map { _ in
      let value = random.nextBell()
      return value * value * value
    }
    for x in [gaussian(32 * 512, seed: 2), flat, peaked] {
      let best = x.withUnsafeBufferPointer {
        Codebook.best(
          for: $0.baseAddress!, rowCount: 32, cols: 512, groupSize: 32, range: Codebook.fullRange)
      }
      #expect(zip(best, best.dropFirst()).allSatisfy { $0 < $1 })
      #expect(best.allSatisfy { $0 >= -127 })
      let plain = format(.int4, .tiles, rows: 32, cols: 512, group: 32)
      let error = try Encoded(x, plain.with(codebook: best)).error.relative
      for other in [Codebook.gaussian, Codebook.quantile, Codebook.uniform] {
        #expect(error <= (try Encoded(x, plain.with(codebook: other)).error.relative))
      }
    }
  }

  @Test("a codebook takes the fastest range that costs hardly anything", arguments: [32, 128])
  func codebooksAreNarrow(groupSize: Int) throws {
    let normal = gaussian(128 * 1024, seed: 2)
    let peaked = normal.map { $0 * $0 * $0 * $0 * $0 }
    // Weights that a codebook of the full range had rounded: a small range has not these levels.
    let rounded = normal.map { value -> Float in
      let entry = value * 3000
      return Float(Codebook.gaussian.min { abs(Float($0) - entry) < abs(Float($1) - entry) }!)
    }
    for (x, range) in [(normal, 31), (peaked, 31), (rounded, 127)] {
      func best(_ range: Int?) -> [Int8] {
        x.withUnsafeBufferPointer {
          Codebook.best(
            for: $0.baseAddress!, rowCount: 128, cols: 1024, groupSize: groupSize, range: range)
        }
      }
      func error(_ codebook: [Int8]) throws -> Double {
        let plain = format(.int4, .tiles, rows: 128, cols: 1024, group: groupSize)
        return try Encoded(x, plain.with(codebook: codebook)).error.relative
      }
      let chosen = best(nil)
      let full = try error(best(Codebook.fullRange))
      #expect(try error(chosen) <= full + 0.001)
      let largest = chosen.map { abs(Int($0)) }.max() ?? 0
      #expect(largest <= range && (range == 31 || largest > 63), "\(largest)")
      if range > 63 { #expect(try error(best(63)) > full + 0.001) }
    }
  }
}
