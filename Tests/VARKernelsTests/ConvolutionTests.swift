import CVARKernels
import Testing
import VARKernels

/// 3x3 convolutions of whole maps, by way of Winograd's algorithm and directly.
@Suite struct ConvolutionTests {
  /// A layer with a map, made from a seed.
  private struct Example {
    let height, width, channels, outputs: Int
    let weights: [Float]
    let bias: [Float]
    let map: [Float]

    init(height: Int, width: Int, channels: Int, outputs: Int) {
      (self.height, self.width, self.channels, self.outputs) = (height, width, channels, outputs)
      var state: UInt32 = 7
      func next() -> Float {
        state = state &* 1_664_525 &+ 1_013_904_223
        return Float(Int32(bitPattern: state) >> 8) * 0x1p-23
      }
      weights = (0..<(outputs + 15) / 16 * 16 * 9 * channels).map { _ in next() }
      bias = (0..<outputs).map { _ in next() }
      map = (0..<height * width * channels).map { _ in next() }
    }

    /// - Parameter stripRows: rows of outputs in a strip; nil lets the shape choose.
    func run(
      _ instructionSet: InstructionSet, threadCount: Int, stripRows: Int? = nil
    ) throws -> [Float] {
      let shape = StripShape(
        MapShape(height: height, width: width, channels: channels),
        layer: .init(outputs: outputs, groupSize: nil),
        division: StripDivision(threadCount: threadCount, rows: stripRows))
      let machine = try StripMachine(instructionSet, threadCount: threadCount, shape: shape)
      var output = [Float](repeating: .nan, count: height * width * outputs)
      weights.withUnsafeBytes { weights in
        bias.withUnsafeBufferPointer { bias in
          var matrix = cvar_matrix()
          matrix.type = Int32(CVAR_F32.rawValue)
          matrix.rows = Int32(outputs)
          matrix.cols = Int32(9 * channels)
          matrix.codes = weights.baseAddress
          let input = MapMemory(map, height: height, width: width, channels: channels)
          machine.convolve(
            ConvolutionInput(input.map), Linear(matrix: matrix, bias: bias.baseAddress),
            into: &output)
        }
      }
      return output
    }

    /// One output in double.
    func exact(_ y: Int, _ x: Int, _ output: Int) -> Double {
      var sum = Double(bias[output])
      for (ky, kx) in [0, 1, 2].flatMap({ ky in [0, 1, 2].map { (ky, $0) } }) {
        let (row, column) = (y + ky - 1, x + kx - 1)
        guard (0..<height).contains(row), (0..<width).contains(column) else { continue }
        for channel in 0..<channels {
          let k = (ky * 3 + kx) * channels + channel
          let weight = weights[((output / 16) * 9 * channels + k) * 16 + output % 16]
          sum += Double(weight) * Double(map[(row * width + column) * channels + channel])
        }
      }
      return sum
    }
  }

  /// Maps on both sides of the rule, with cut patches, several blocks and tiles that lack rows.
  private static let shapes = [
    (22, 23, 16, 16), (23, 23, 16, 16), (33, 62, 17, 35), (41, 37, 40, 16), (64, 8, 20, 130),
    (40, 40, 8, 16), (40, 40, 16, 3),
  ]

  @Test(arguments: shapes)
  func everyOutputIsRight(height: Int, width: Int, channels: Int, outputs: Int) throws {
    let example = Example(
      height: height, width: width, channels: channels, outputs: outputs)
    let found = try example.run(.scalar, threadCount: 1)
    for y in 0..<height {
      for x in 0..<width {
        // All of a pixel's outputs would take long; the neighbours have the others.
        for output in stride(from: (y + x) % 5, to: outputs, by: 5) {
          let exact = example.exact(y, x, output)
          // Sums reach 10 and rounding errors 3e-5; a wrong coefficient or pixel gives 1e-2 and more.
          #expect(
            abs(Double(found[(y * width + x) * outputs + output]) - exact) < 1e-4,
            "\(output) of (\(y), \(x))")
        }
      }
    }
  }

  @Test(arguments: shapes)
  func threadsAndInstructionSetsChangeNoBit(
    height: Int, width: Int, channels: Int, outputs: Int
  ) throws {
    let example = Example(
      height: height, width: width, channels: channels, outputs: outputs)
    let expected = try example.run(.scalar, threadCount: 1).map(\.bitPattern)
    for instructionSet in InstructionSet.supported {
      for (threadCount, stripRows) in [(1, nil), (2, nil), (5, nil), (2, 4), (3, 9), (2, 1000)] {
        let found = try example.run(
          instructionSet, threadCount: threadCount, stripRows: stripRows)
        #expect(
          found.map(\.bitPattern) == expected,
          "\(instructionSet), \(threadCount) threads, strips of \(stripRows ?? 0)")
      }
    }
  }
}
