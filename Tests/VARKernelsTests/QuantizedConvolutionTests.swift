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

  /// A machine with scratch for maps of `height` x `width` pixels.
  private struct Machine {
    let compute: Compute
    let winograd: WinogradScratch
    let map: UnsafeMutablePointer<Float>
    let sums: UnsafeMutablePointer<Double>
    private let arena: Arena

    init(
      _ instructionSet: InstructionSet, threadCount: Int, height: Int, width: Int, channels: Int
    ) throws {
      var plan = MemoryPlan()
      let scratch = Compute.reserve(&plan, maximumColumns: 9 * channels)
      let winograd = WinogradScratch.reserve(&plan, channels: channels, threadCount: threadCount)
      let map = plan.reserve(
        "map", floats: PaddedMap.floatCount(height: height, width: width, channels: channels))
      let sums = plan.reserve(
        "sums", byteCount: 8 * GroupNorm.scratchCount(height: height, channels: channels))
      arena = try #require(Arena(plan))
      self.winograd = WinogradScratch(winograd, arena: arena)
      self.map = arena.floats(map)
      self.sums = arena.raw(sums).assumingMemoryBound(to: Double.self)
      compute = Compute(
        instructionSet: instructionSet, pool: try #require(ThreadPool(threadCount: threadCount)),
        arena: arena, scratch: scratch)
      // What was in the memory before must not matter.
      UnsafeMutableRawPointer(self.map).initializeMemory(
        as: UInt8.self, repeating: 0xFF,
        count: 4 * PaddedMap.floatCount(height: height, width: width, channels: channels))
    }
  }

  private struct Case: Sendable, CustomStringConvertible {
    let height, width, channels, outputs, groupSize, stride: Int
    var description: String {
      "\(height)x\(width)x\(channels) to \(outputs), groups of \(groupSize), stride \(stride)"
    }
  }

  private static let cases = [
    Case(height: 1, width: 1, channels: 32, outputs: 1, groupSize: 32, stride: 1),
    Case(height: 13, width: 17, channels: 64, outputs: 35, groupSize: 32, stride: 1),
    Case(height: 8, width: 30, channels: 64, outputs: 16, groupSize: 64, stride: 2),
    Case(height: 5, width: 7, channels: 256, outputs: 48, groupSize: 128, stride: 1),
  ]

  private static let conditions = InstructionSet.supported.flatMap { set in
    [1, 2, 5].map { (set, $0) }
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
    let machine = try Machine(
      .scalar, threadCount: 1, height: test.height, width: test.width, channels: test.channels)
    var output = [Float](repeating: 0, count: height * width * test.outputs)
    layer.with { linear in
      machine.compute.linear(
        Activations(rows, rows: height * width, cols: 9 * test.channels), linear, into: &output)
    }
    return output.map(\.bitPattern)
  }

  /// Convolves what `fill` writes into the map.
  private func convolved(
    _ test: Case, _ layer: Layer, _ condition: (InstructionSet, Int),
    _ fill: (Machine, QuantizedMap) -> Void
  ) throws -> [UInt32] {
    let machine = try Machine(
      condition.0, threadCount: condition.1, height: test.height, width: test.width,
      channels: test.channels)
    let map = QuantizedMap(
      machine.map, height: test.height, width: test.width, channels: test.channels,
      groupSize: test.groupSize)
    fill(machine, map)
    let count = test.height / test.stride * (test.width / test.stride) * test.outputs
    var output = [Float](repeating: .nan, count: count)
    layer.with {
      machine.compute.convolve3x3(map, $0, stride: test.stride, into: &output)
    }
    return output.map(\.bitPattern)
  }

  @Test(arguments: cases) private func mapsEqualGatheredRows(_ test: Case) throws {
    let layer = Layer(
      channels: test.channels, outputs: test.outputs, groupSize: test.groupSize)
    let values = Layer.floats(test.height * test.width * test.channels, seed: 5)
    let expected = try gathered(values, test, layer)
    for condition in Self.conditions {
      let found = try convolved(test, layer, condition) { $0.compute.quantize(values, into: $1) }
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
    for condition in Self.conditions {
      let found = try convolved(test, layer, condition) {
        $0.compute.quantizeUpsampled(small, into: $1)
      }
      #expect(found == expected, "\(condition)")
    }
  }

  /// Wider than what is normalised at a time.
  @Test func normalizedMapsEqualGatheredRows() throws {
    let test = Case(height: 2, width: 101, channels: 32, outputs: 16, groupSize: 32, stride: 1)
    let layer = Layer(channels: 32, outputs: 16, groupSize: 32)
    let values = Layer.floats(2 * 101 * 32, seed: 5)
    let (weight, bias) = (Layer.floats(32, seed: 6), Layer.floats(32, seed: 7))
    func norm(_ machine: Machine, _ body: (GroupNorm) -> Void) {
      weight.withUnsafeBufferPointer { weight in
        bias.withUnsafeBufferPointer { bias in
          body(
            GroupNorm(
              groups: 8, weight: weight.baseAddress!, bias: bias.baseAddress!, eps: 1e-6,
              sums: machine.sums))
        }
      }
    }
    let plain = try Machine(.scalar, threadCount: 1, height: 2, width: 101, channels: 32)
    let padded = PaddedMap(plain.map, height: 2, width: 101, channels: 32)
    norm(plain) { plain.compute.normalize(values, $0, into: padded) }
    let normalized = (0..<2).flatMap { y in
      Array(UnsafeBufferPointer(start: padded.pixel(y, 0), count: 101 * 32))
    }
    let expected = try gathered(normalized, test, layer)
    for condition in Self.conditions {
      let found = try convolved(test, layer, condition) { machine, map in
        norm(machine) {
          machine.compute.normalize(values, $0, scratch: machine.winograd, into: map)
        }
      }
      #expect(found == expected, "\(condition)")
    }
  }
}
