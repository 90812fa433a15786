/// The memory of one convolution, cut as `StripShape.Offsets` says.
struct StripBuffers {
  let shape: StripShape
  private let memory: UnsafeMutableRawPointer
  private let offsets: StripShape.Offsets

  /// - Parameter memory: of `shape.byteCount` bytes, aligned to 64.
  init(_ shape: StripShape, _ memory: UnsafeMutableRawPointer) {
    self.shape = shape
    self.memory = memory
    offsets = shape.offsets
  }

  /// The rows of the input under a strip.
  var input: UnsafeMutableRawPointer { memory + offsets.input }

  /// Outputs of a strip, `[rows, outputWidth, outputs]`.
  var output: UnsafeMutablePointer<Float> { floats(offsets.output) }

  /// Outputs of the shortcut, `[rows, outputWidth, shortcut.outputs]`.
  var shortcut: UnsafeMutablePointer<Float> { floats(offsets.shortcut) }

  /// Weights and patches of Winograd's algorithm.
  var weights: UnsafeMutablePointer<Float> { floats(offsets.weights) }
  var patches: UnsafeMutablePointer<Float> { floats(offsets.patches) }

  /// The pixels that a thread works on.
  func values(_ share: Int) -> UnsafeMutablePointer<Float> {
    floats(offsets.values) + share * shape.valueShare
  }

  /// The same in int8, for the shortcut.
  func codes(_ share: Int, groupSize: Int) -> PixelCodes {
    let byteCount = PixelCodes.byteCount(channels: shape.channels, groupSize: groupSize)
    return PixelCodes(
      memory + offsets.codes + share * byteCount, channels: shape.channels, groupSize: groupSize)
  }

  /// Sums over a row of outputs, two for each channel.
  func rowSums(_ row: Int) -> UnsafeMutablePointer<Double> {
    (memory + offsets.rowSums).assumingMemoryBound(to: Double.self) + row * 2 * shape.outputs
  }

  private func floats(_ offset: Int) -> UnsafeMutablePointer<Float> {
    (memory + offset).assumingMemoryBound(to: Float.self)
  }
}
