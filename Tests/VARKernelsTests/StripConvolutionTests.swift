import CVARKernels
import Testing
import VARKernels

/// What a convolution does around its products: reading, adding, rounding, sums, and maps in one another's place.
@Suite struct StripConvolutionTests {
  private struct Condition: CustomStringConvertible {
    let instructionSet: InstructionSet
    let threadCount: Int
    let stripRows: Int?
    var description: String {
      "\(instructionSet), \(threadCount) threads, strips of \(stripRows ?? 0)"
    }
  }

  private static let conditions = InstructionSet.supported.flatMap { set in
    [(1, nil), (2, 1), (3, 3), (2, 8), (5, 100)].map {
      Condition(instructionSet: set, threadCount: $0, stripRows: $1)
    }
  }

  /// Random weights and maps; the output is half as deep as the input.
  private final class Model {
    let channels = 32
    let outputs = 16
    let height: Int
    let width: Int
    let map: [Float]
    let kernel, shortcut: [Float]
    private let bias: UnsafeMutablePointer<Float>

    init(height: Int, width: Int) {
      (self.height, self.width) = (height, width)
      var state: UInt32 = 11
      func floats(_ count: Int) -> [Float] {
        (0..<count).map { _ in
          state = state &* 1_664_525 &+ 1_013_904_223
          return Float(Int32(bitPattern: state) >> 8) * 0x1p-23
        }
      }
      map = floats(height * width * 32)
      kernel = floats(16 * 9 * 32)
      shortcut = floats(16 * 32)
      bias = .allocate(capacity: 16)
      bias.initialize(from: floats(16), count: 16)
    }

    deinit { bias.deallocate() }

    func with<Result>(_ weights: [Float], _ body: (Linear) throws -> Result) rethrows -> Result {
      try weights.withUnsafeBytes { codes in
        var matrix = cvar_matrix()
        matrix.type = Int32(CVAR_F32.rawValue)
        matrix.rows = 16
        matrix.cols = Int32(weights.count / 16)
        matrix.codes = codes.baseAddress
        return try body(Linear(matrix: matrix, bias: bias))
      }
    }

    func shape(_ condition: Condition, hasShortcut: Bool = false) -> StripShape {
      StripShape(
        MapShape(height: height, width: width, channels: 32),
        layer: .init(outputs: 16, groupSize: nil),
        shortcut: hasShortcut ? .init(outputs: 16, groupSize: nil) : nil,
        division: StripDivision(threadCount: condition.threadCount, rows: condition.stripRows))
    }

    func machine(_ condition: Condition, hasShortcut: Bool = false) throws -> StripMachine {
      try StripMachine(
        condition.instructionSet, threadCount: condition.threadCount,
        shape: shape(condition, hasShortcut: hasShortcut))
    }

    /// Outputs in f32 in one piece.
    func plain(type: MapType) throws -> [Float] {
      let machine = try machine(
        Condition(instructionSet: .scalar, threadCount: 1, stripRows: height))
      let input = MapMemory(map, type: type, height: height, width: width, channels: 32)
      var output = [Float](repeating: .nan, count: height * width * 16)
      with(kernel) { machine.convolve(ConvolutionInput(input.map), $0, into: &output) }
      return output
    }

    /// The 1x1 convolution of what the map holds: sums over the channels in ascending order.
    func expectedShortcut(_ stored: [Float]) -> [Float] {
      (0..<height * width).flatMap { pixel in
        (0..<16).map { output in
          var sum: Float = 0
          for channel in 0..<32 {
            sum.addProduct(shortcut[channel * 16 + output], stored[pixel * 32 + channel])
          }
          return sum + bias[output]
        }
      }
    }
  }

  private static func rounded(_ values: [Float], _ type: MapType) -> [Float] {
    type == .f32 ? values : values.map { 64 * cvar_f32_from_f16(cvar_f16_from_f32($0 / 64)) }
  }

  private static let maps = [(9, 61), (23, 24), (6, 10)]

  /// Sums are those of what is stored, row by row; another map is added before rounding.
  @Test(arguments: maps, [MapType.f32, .f16])
  func addedMapsAreRoundedOnceAndSummed(size: (height: Int, width: Int), type: MapType) throws {
    let (height, width) = size
    let model = Model(height: height, width: width)
    let other = model.map.prefix(height * width * 16).map { $0 * 1.37 }
    let stored = Self.rounded(other, type)
    let expected = Self.rounded(zip(try model.plain(type: type), stored).map { $0 + $1 }, type)
    var expectedSums = [Double](repeating: 0, count: 32)
    for y in 0..<height {
      var row = [Double](repeating: 0, count: 32)
      for index in 0..<width * 16 {
        let value = Double(expected[y * width * 16 + index])
        row[index % 16] += value
        row[16 + index % 16] += value * value
      }
      for index in 0..<32 { expectedSums[index] += row[index] }
    }
    for condition in Self.conditions {
      let input = MapMemory(model.map, type: type, height: height, width: width, channels: 32)
      let output = MapMemory(
        other, type: type, height: height, width: width, channels: 16,
        rowByteCount: width * 16 * type.byteCount + 64)
      var sums = [Double](repeating: .nan, count: 32)
      let machine = try model.machine(condition)
      sums.withUnsafeMutableBufferPointer { sums in
        model.with(model.kernel) {
          machine.convolve(
            ConvolutionInput(input.map), $0,
            into: .map(
              output.map, adding: output.map, sums: ChannelSums(sums.baseAddress!)))
        }
      }
      #expect(output.values(output.map) == expected, "\(condition)")
      #expect(sums == expectedSums, "\(condition)")
    }
  }

  /// Outputs and shortcut take the place of the input, each half of its row.
  @Test(arguments: maps, [MapType.f32, .f16])
  func outputsTakeThePlaceOfTheInput(size: (height: Int, width: Int), type: MapType) throws {
    let (height, width) = size
    let model = Model(height: height, width: width)
    let expected = Self.rounded(try model.plain(type: type), type)
    let expectedShortcut = Self.rounded(
      model.expectedShortcut(Self.rounded(model.map, type)), type)
    let half = width * 16 * type.byteCount
    for condition in Self.conditions {
      let memory = MapMemory(model.map, type: type, height: height, width: width, channels: 32)
      func part(_ offset: Int) -> FeatureMap {
        FeatureMap(
          memory.map.base + offset, type: type,
          shape: MapShape(height: height, width: width, channels: 16), rowByteCount: 2 * half)
      }
      let machine = try model.machine(condition, hasShortcut: true)
      model.with(model.kernel) { kernel in
        model.with(model.shortcut) { shortcut in
          machine.convolve(
            ConvolutionInput(memory.map), kernel,
            shortcut: ConvolutionShortcut(shortcut, into: part(half)), into: .map(part(0)))
        }
      }
      #expect(memory.values(part(0)) == expected, "\(condition)")
      #expect(memory.values(part(half)) == expectedShortcut, "\(condition)")
    }
  }

  /// A strip is asked for before it begins, and what the question throws ends the work.
  @Test func convolutionsEndBetweenStrips() throws {
    struct Stop: Error {}
    let model = Model(height: 32, width: 16)
    let condition = Condition(instructionSet: .scalar, threadCount: 1, stripRows: 4)
    let machine = try model.machine(condition)
    let input = MapMemory(model.map, height: 32, width: 16, channels: 32)
    var rows: [Range<Int>] = []
    let memory = UnsafeMutableRawPointer.allocate(
      byteCount: machine.shape.byteCount, alignment: 64)
    defer { memory.deallocate() }
    #expect(throws: Stop.self) {
      try model.with(model.kernel) { kernel in
        try machine.compute.convolve3x3(
          Convolution(
            ConvolutionInput(input.map), kernel, into: .rows { range, _ in rows.append(range) }),
          shape: machine.shape, memory: memory,
          beforeStrip: { if rows.count == 2 { throw Stop() } })
      }
    }
    #expect(rows == [0..<4, 4..<8])
  }

  /// A map moves to where its rows have no gaps, over its own old place.
  @Test func mapsMoveTowardsTheEnd() {
    let values = (0..<5 * 3 * 2).map(Float.init)
    let row = 2 * 3 * 2 * 4
    let memory = MapMemory(values, height: 5, width: 3, channels: 2, rowByteCount: row)
    let target = memory.map.base + 5 * row - 5 * row / 2
    let moved = memory.map.moved(to: target)
    #expect(memory.values(moved) == values)
  }
}
