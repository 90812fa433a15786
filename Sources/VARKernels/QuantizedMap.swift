import CVARKernels

/// A map, int8 with a scale per pixel and group of channels, in a border: the input of a quantized 3x3 convolution.
struct QuantizedMap {
  let codes: UnsafeMutablePointer<Int8>
  let scales: UnsafeMutablePointer<Float>
  let sums: UnsafeMutablePointer<Int32>
  let height: Int
  let width: Int
  let channels: Int
  let groupSize: Int

  /// - Parameter memory: of `byteCount` bytes, aligned to 64.
  init(
    _ memory: UnsafeMutableRawPointer, height: Int, width: Int, channels: Int, groupSize: Int
  ) {
    precondition(channels % groupSize == 0, "groups of \(groupSize) cut \(channels) channels")
    self.height = height
    self.width = width
    self.channels = channels
    self.groupSize = groupSize
    let pixels = (height + 2) * (width + 2)
    codes = memory.assumingMemoryBound(to: Int8.self)
    scales = (memory + Self.codeBytes(pixels: pixels, channels: channels))
      .assumingMemoryBound(to: Float.self)
    sums = UnsafeMutableRawPointer(scales + pixels * (channels / groupSize))
      .assumingMemoryBound(to: Int32.self)
  }

  private static func codeBytes(pixels: Int, channels: Int) -> Int {
    (pixels * channels + 63) / 64 * 64
  }

  /// A code for each value, a scale and a sum for each group.
  static func byteCount(height: Int, width: Int, channels: Int, groupSize: Int) -> Int {
    let pixels = (height + 2) * (width + 2)
    return codeBytes(pixels: pixels, channels: channels) + pixels * (channels / groupSize) * 8
  }

  /// Place of a pixel's first code; -1 and `height` (or `width`) are the border.
  func index(_ y: Int, _ x: Int) -> Int { ((y + 1) * (width + 2) + x + 1) * channels }

  /// Writes zeros from a pixel on.
  func clear(_ y: Int, _ x: Int, count: Int) {
    let first = index(y, x)
    (codes + first).update(repeating: 0, count: count * channels)
    (scales + first / groupSize).update(repeating: 0, count: count * channels / groupSize)
    (sums + first / groupSize).update(repeating: 0, count: count * channels / groupSize)
  }

  /// Writes `count` pixels of a row from (`y`, `x`) on.
  func quantize(
    _ kernels: UnsafePointer<cvar_kernels>, _ pixels: UnsafePointer<Float>, y: Int, x: Int,
    count: Int
  ) {
    let first = index(y, x)
    kernels.pointee.quantize_activations(
      pixels, channels, Int32(count), Int32(channels), Int32(groupSize), codes + first,
      scales + first / groupSize, sums + first / groupSize)
  }

  /// Copies `count` pixels from one place to another that does not overlap it.
  func copy(from source: (y: Int, x: Int), to target: (y: Int, x: Int), count: Int) {
    let (from, to) = (index(source.y, source.x), index(target.y, target.x))
    let groups = count * channels / groupSize
    (codes + to).update(from: codes + from, count: count * channels)
    (scales + to / groupSize).update(from: scales + from / groupSize, count: groups)
    (sums + to / groupSize).update(from: sums + from / groupSize, count: groups)
  }
}

/// Pixels in int8 that one thread multiplies at a time.
struct PixelCodes {
  let codes: UnsafeMutablePointer<Int8>
  let scales: UnsafeMutablePointer<Float>
  let sums: UnsafeMutablePointer<Int32>

  init(_ memory: UnsafeMutableRawPointer, channels: Int, groupSize: Int) {
    let count = StripShape.chunkPixels * channels
    codes = memory.assumingMemoryBound(to: Int8.self)
    scales = (memory + count).assumingMemoryBound(to: Float.self)
    sums = (memory + count + count / groupSize * 4).assumingMemoryBound(to: Int32.self)
  }

  static func byteCount(channels: Int, groupSize: Int) -> Int {
    let count = StripShape.chunkPixels * channels
    return (count + count / groupSize * 8 + 63) / 64 * 64
  }
}

extension Linear {
  /// Inputs that share a scale; nil for floats.
  package var groupSize: Int? { isQuantized ? Int(matrix.group_size) : nil }
}
