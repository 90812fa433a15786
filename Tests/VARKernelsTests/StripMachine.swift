import CVARKernels
import Testing
import VARKernels
import VARSystem

/// Threads and the memory of one convolution.
struct StripMachine {
  let compute: Compute
  let shape: StripShape
  private let memory: UnsafeMutableRawPointer
  private let guardBytes: UnsafeMutableRawBufferPointer
  private let arena: Arena

  init(
    _ instructionSet: InstructionSet, threadCount: Int, shape: StripShape,
    maximumColumns: Int = 16
  ) throws {
    var plan = MemoryPlan()
    let scratch = Compute.reserve(&plan, maximumColumns: maximumColumns)
    let memory = plan.reserve("strips", byteCount: shape.byteCount)
    let end = plan.reserve("end", byteCount: 64)
    arena = try #require(Arena(plan))
    self.memory = arena.raw(memory)
    guardBytes = UnsafeMutableRawBufferPointer(start: arena.raw(end), count: 64)
    self.shape = shape
    compute = Compute(
      instructionSet: instructionSet, pool: try #require(ThreadPool(threadCount: threadCount)),
      arena: arena, scratch: scratch)
    // What was in the memory before must not matter.
    UnsafeMutableRawBufferPointer(start: self.memory, count: shape.byteCount)
      .initializeMemory(as: UInt8.self, repeating: 0xFF)
    guardBytes.initializeMemory(as: UInt8.self, repeating: 0xA5)
  }

  /// A convolution into `[height, width, outputs]` in f32.
  func convolve(
    _ input: ConvolutionInput, _ layer: Linear, into output: inout [Float]
  ) {
    let width = output.count / (layer.rows * max(1, outputHeight))
    output.withUnsafeMutableBufferPointer { output in
      let map = FeatureMap(
        UnsafeMutableRawPointer(output.baseAddress!), type: .f32,
        shape: MapShape(height: outputHeight, width: width, channels: layer.rows))
      convolve(input, layer, into: .map(map))
    }
  }

  func convolve(
    _ input: ConvolutionInput, _ layer: Linear, shortcut: ConvolutionShortcut? = nil,
    into output: ConvolutionOutput
  ) {
    compute.convolve3x3(
      Convolution(input, layer, shortcut: shortcut, into: output), shape: shape, memory: memory,
      beforeStrip: {})
    #expect(guardBytes.allSatisfy { $0 == 0xA5 }, "a convolution writes past its memory")
  }

  private var outputHeight: Int { shape.outputHeight }
}

/// A map in memory of its own.
final class MapMemory {
  let map: FeatureMap
  private let bytes: UnsafeMutableRawBufferPointer

  /// - Parameter rowByteCount: of rows that lie apart.
  init(
    _ values: [Float]? = nil, type: MapType = .f32, height: Int, width: Int, channels: Int,
    rowByteCount: Int? = nil
  ) {
    let row = rowByteCount ?? width * channels * type.byteCount
    bytes = .allocate(byteCount: height * row, alignment: 64)
    bytes.initializeMemory(as: UInt8.self, repeating: 0xFF)
    map = FeatureMap(
      bytes.baseAddress!, type: type,
      shape: MapShape(height: height, width: width, channels: channels), rowByteCount: row)
    guard let values else { return }
    for y in 0..<height {
      for index in 0..<width * channels {
        let value = values[y * width * channels + index]
        let place = bytes.baseAddress! + y * row + index * type.byteCount
        switch type {
        case .f32: place.storeBytes(of: value, as: Float.self)
        case .f16: place.storeBytes(of: cvar_f16_from_f32(value / 64), as: UInt16.self)
        }
      }
    }
  }

  deinit { bytes.deallocate() }

  /// `[height, width, channels]` of a part of the memory.
  func values(_ map: FeatureMap) -> [Float] {
    (0..<map.height).flatMap { y in
      (0..<map.width * map.channels).map { index in
        let place = map.base + y * map.rowByteCount + index * map.type.byteCount
        return map.type == .f32
          ? place.load(as: Float.self) : 64 * cvar_f32_from_f16(place.load(as: UInt16.self))
      }
    }
  }
}
