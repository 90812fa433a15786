import CVARKernels
import Testing
import VARKernels

/// 3x3 convolutions of int8 maps: the same bits as a linear layer over the gathered inputs of each pixel.
@Suite struct QuantizedConvolutionTests {
  /// Buffers and a layer of random codes.
  private final class Layer {
    let channels, outputs, groupSize: Int
    private let codes: [Int8]
    private let scales: [UInt16]
    private let bias: [Float]

    init(channels: Int, outputs: Int, groupSize: Int) {
      (self.channels, self.outputs, self.groupSize) = (channels, outputs, groupSize)
      let stored = (outputs + 15) / 16 * 16 * 9 * channels
      let random = Self.floats(stored, seed: 3)
      codes = random.map { Int8(($0 * 127).rounded()) }
      // Scales of 1/8 to 1/4, in units of 2^-12.
      scales = (0..<stored / groupSize).map { cvar_f16_from_f32(512 + Float($0 % 61) * 8) }
      bias = Self.floats(outputs, seed: 4)
    }

    static func floats(_ count: Int, seed: UInt32) -> [Float] {
      var state = seed
      return (0..<count).map { _ in
        state = state &* 1_664_525 &+ 1_013_904_223
        return Float(Int32(bitPattern: state) >> 8) * 0x1p-23
      }
    }

    func with<Result>(_ body: (Linear) throws -> Result) rethrows -> Result {
      try codes.withUnsafeBytes { codes in
        try scales.withUnsafeBytes { scales in
          try bias.withUnsafeBufferPointer { bias in
            var matrix = cvar_matrix()
            matrix.type = Int32(CVAR_INT8.rawValue)
            matrix.rows = Int32(outputs)
            matrix.cols = Int32(9 * channels)
            matrix.group_size = Int32(groupSize)
            matrix.codes = codes.baseAddress
            matrix.scales = scales.baseAddress
            return try body(Linear(matrix: matrix, bias: bias.baseAddress))
          }
        }
      }
    }
  }

  private struct Case: Sendable, CustomStringConvertible {
    let height, width, channels, outputs, groupSize, stride: Int
    var description: String {
      "\(height)x\(width)x\(channels) to \(outputs), groups of \(groupSize), stride \(stride)"
    }

    func shape(_ condition: Condition) -> StripShape {
      StripShape(
        MapShape(height: height, width: width, channels: channels),
        layer: .init(outputs: outputs, groupSize: groupSize, stride: stride),
        division: StripDivision(threadCount: condition.threadCount, rows: condition.stripRows))
    }
  }

  private static let cases = [
    Case(height: 1, width: 1, channels: 32, outputs: 1, groupSize: 32, stride: 1),
    Case(height: 13, width: 17, channels: 64, outputs: 35, groupSize: 32, stride: 1),
    Case(height: 8, width: 30, channels: 64, outputs: 16, groupSize: 64, stride: 2),
    Case(height: 5, width: 7, channels: 256, outputs: 48, groupSize: 128, stride: 1),
  ]

  private struct Condition: CustomStringConvertible {
    let instructionSet: InstructionSet
    let threadCount: Int
    let stripRows: Int?
    var description: String {
      "\(instructionSet), \(threadCount) threads, strips of \(stripRows ?? 0)"
    }
  }

  private static let conditions = InstructionSet.supported.flatMap { set in
    [(1, nil), (2, nil), (5, nil), (2, 1), (3, 2), (1, 5)].map {
      Condition(instructionSet: set, threadCount: $0, stripRows: $1)
    }
  }

  /// The convolution as a linear layer: one row of 9 pixels for each output.
  private func gathered(_ values: [Float], _ test: Case, _ layer: Layer) throws -> [UInt32] {
    let (height, width) = (test.height / test.stride, test.width / test.stride)
    let first = test.stride == 1 ? -1 : 0
    var rows: [Float] = []
    for (y, x) in (0..<height).flatMap({ y in (0..<width).map { (y, $0) } }) {
      for place in 0..<9 {
        let row = y * test.stride + first + place / 3
        let column = x * test.stride + first + place % 3
        let isInside = (0..<test.height).contains(row) && (0..<test.width).contains(column)
        for channel in 0..<test.channels {
          rows.append(
            isInside ? values[(row * test.width + column) * test.channels + channel] : 0)
        }
      }
    }
    let machine = try StripMachine(
      .scalar, threadCount: 1, shape: test.shape(Self.conditions[0]),
      maximumColumns: 9 * test.channels)
    var output = [Float](repeating: 0, count: height * width * test.outputs)
    layer.with { linear in
      rows.withRows(columns: 9 * test.channels) { rows in
        output.withMutableRows(columns: test.outputs) { output in
          machine.compute.linear(rows, linear, into: output)
        }
      }
    }
    return output.map(\.bitPattern)
  }

  private func convolved(
    _ test: Case, _ layer: Layer, _ condition: Condition, _ input: ConvolutionInput
  ) throws -> [UInt32] {
    let machine = try StripMachine(
      condition.instructionSet, threadCount: condition.threadCount, shape: test.shape(condition))
    let count = test.height / test.stride * (test.width / test.stride) * test.outputs
    var output = [Float](repeating: .nan, count: count)
    layer.with { machine.convolve(input, $0, into: &output) }
    return output.map(\.bitPattern)
  }

  @Test(arguments: cases) private func mapsEqualGatheredRows(_ test: Case) throws {
    let layer = Layer(
      channels: test.channels, outputs: test.outputs, groupSize: test.groupSize)
    let values = Layer.floats(test.height * test.width * test.channels, seed: 5)
    let expected = try gathered(values, test, layer)
    let memory = MapMemory(
      values, height: test.height, width: test.width, channels: test.channels)
    for condition in Self.conditions {
      let found = try convolved(test, layer, condition, ConvolutionInput(memory.map))
      #expect(found == expected, "\(condition)")
    }
  }

  @Test func doubledMapsEqualGatheredRows() throws {
    let test = Case(height: 6, width: 14, channels: 64, outputs: 20, groupSize: 32, stride: 1)
    let layer = Layer(
      channels: test.channels, outputs: test.outputs, groupSize: test.groupSize)
    let small = Layer.floats(3 * 7 * 64, seed: 5)
    var doubled: [Float] = []
    for (y, x) in (0..<6).flatMap({ y in (0..<14).map { (y, $0) } }) {
      let pixel = (y / 2 * 7 + x / 2) * 64
      doubled += small[pixel..<pixel + 64]
    }
    let expected = try gathered(doubled, test, layer)
    let memory = MapMemory(small, height: 3, width: 7, channels: 64)
    for condition in Self.conditions {
      let found = try convolved(test, layer, condition, ConvolutionInput(doubled: memory.map))
      #expect(found == expected, "\(condition)")
    }
  }

  /// Wider than what is normalised at a time.
  @Test func normalizedMapsEqualGatheredRows() throws {
    let test = Case(height: 2, width: 101, channels: 32, outputs: 16, groupSize: 32, stride: 1)
    let layer = Layer(channels: 32, outputs: 16, groupSize: 32)
    let values = Layer.floats(2 * 101 * 32, seed: 5)
    let gains = Layer.floats(64, seed: 6)
    let scalar = InstructionSet.scalar.kernels.pointee
    var normalized = values
    scalar.channel_affine(
      values, 2 * 101, 32, gains, Array(gains[32...]), 1, &normalized)
    let expected = try gathered(normalized, test, layer)
    let memory = MapMemory(values, height: 2, width: 101, channels: 32)
    var copy = gains
    for condition in Self.conditions {
      let found = try copy.withUnsafeMutableBufferPointer { gains in
        try convolved(
          test, layer, condition,
          ConvolutionInput(
            memory.map, normalizedBy: ChannelGains(gains.baseAddress!, channels: 32)))
      }
      #expect(found == expected, "\(condition)")
    }
  }
}
