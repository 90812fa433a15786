import CVARKernels

/// The rows of the input that lie under a strip, in the form that a layer's kernels take.
///
/// Row 0 lies under the strip's first output. Row -1, column -1 and the column behind the last one are the border.
protocol StripInput {
  /// Writes zeros from a pixel on.
  func clear(_ row: Int, _ x: Int, count: Int)
  /// Copies pixels of a row from one place to another that does not overlap it.
  func copy(from source: (row: Int, x: Int), to target: (row: Int, x: Int), count: Int)
  /// Writes `count` pixels of a row from a pixel on.
  ///
  /// - Parameters:
  ///   - values: a thread's own place for pixels in f32.
  ///   - make: writes the pixels in f32 to where it is told.
  func write(
    _ row: Int, _ x: Int, count: Int, _ values: UnsafeMutablePointer<Float>,
    make: (UnsafeMutablePointer<Float>) -> Void)
  /// What all strips of a layer share.
  func prepare(_ layer: Linear)
  /// The first `rows` rows of outputs of a strip.
  func convolve(_ layer: Linear, rows: Int)
}

extension StripShape {
  /// Row and column of the input, from an output's own, where its kernel begins.
  fileprivate var kernelStart: Int { stride == 1 ? -1 : 0 }
}

/// Inputs in f32, for layers of floats.
struct FloatStripInput: StripInput {
  private let compute: Compute
  private let buffers: StripBuffers
  private let map: PaddedMap

  init(_ compute: Compute, _ buffers: StripBuffers) {
    self.compute = compute
    self.buffers = buffers
    map = Self.map(buffers, height: buffers.shape.inputRows)
  }

  private static func map(_ buffers: StripBuffers, height: Int) -> PaddedMap {
    PaddedMap(
      buffers.input.assumingMemoryBound(to: Float.self), height: height,
      width: buffers.shape.width, channels: buffers.shape.channels)
  }

  func clear(_ row: Int, _ x: Int, count: Int) { map.clear(row, x, count: count) }

  func copy(from source: (row: Int, x: Int), to target: (row: Int, x: Int), count: Int) {
    map.pixel(target.row, target.x).update(
      from: map.pixel(source.row, source.x), count: count * map.channels)
  }

  /// Pixels are made where they stay.
  func write(
    _ row: Int, _ x: Int, count: Int, _ values: UnsafeMutablePointer<Float>,
    make: (UnsafeMutablePointer<Float>) -> Void
  ) {
    make(map.pixel(row, x))
  }

  private func winogradWeights(_ layer: Linear) -> WinogradWeights {
    WinogradWeights(pointer: buffers.weights, layer: layer)
  }

  func prepare(_ layer: Linear) {
    if buffers.shape.isWinograd { winogradWeights(layer).transform(compute) }
  }

  func convolve(_ layer: Linear, rows: Int) {
    let shape = buffers.shape
    guard shape.isWinograd else { return convolveDirectly(layer, rows: rows) }
    WinogradStrip(
      kernels: compute.kernels, shape: shape, weights: winogradWeights(layer),
      patches: buffers.patches, input: Self.map(buffers, height: rows), output: buffers.output
    ).run(compute.pool)
  }

  private func convolveDirectly(_ layer: Linear, rows: Int) {
    let shape = buffers.shape
    let (stride, start, width) = (shape.stride, shape.kernelStart, shape.outputWidth)
    withUnsafePointer(to: layer.matrix) { matrix in
      compute.pool.parallel(rows) { rows in
        for y in rows {
          compute.kernels.pointee.matmul_float(
            matrix, map.pixel(y * stride + start, start), stride * map.channels, 3, map.rowStride,
            Int32(width), layer.bias, buffers.output + y * width * layer.rows, layer.rows, 0,
            Int32(layer.tileCount))
        }
      }
    }
  }
}

/// Inputs in int8, for quantized layers.
struct QuantizedStripInput: StripInput {
  private let compute: Compute
  private let buffers: StripBuffers
  private let map: QuantizedMap

  init(_ compute: Compute, _ buffers: StripBuffers, groupSize: Int) {
    self.compute = compute
    self.buffers = buffers
    let shape = buffers.shape
    map = QuantizedMap(
      buffers.input, height: shape.inputRows, width: shape.width, channels: shape.channels,
      groupSize: groupSize)
  }

  func clear(_ row: Int, _ x: Int, count: Int) { map.clear(row, x, count: count) }

  func copy(from source: (row: Int, x: Int), to target: (row: Int, x: Int), count: Int) {
    map.copy(from: (source.row, source.x), to: (target.row, target.x), count: count)
  }

  /// Pixels are made in the thread's place, then rounded into theirs.
  func write(
    _ row: Int, _ x: Int, count: Int, _ values: UnsafeMutablePointer<Float>,
    make: (UnsafeMutablePointer<Float>) -> Void
  ) {
    make(values)
    map.quantize(compute.kernels, values, y: row, x: x, count: count)
  }

  func prepare(_ layer: Linear) {}

  func convolve(_ layer: Linear, rows: Int) {
    let shape = buffers.shape
    let (stride, start, width) = (shape.stride, shape.kernelStart, shape.outputWidth)
    // Some 512 pixels share each unpacking of the weights.
    let threads = compute.pool.threadCount
    let blockRows = max(1, min(max(1, 512 / width), (rows + threads - 1) / threads))
    let kernelStride = (map.width + 2) * map.channels
    compute.pool.parallel((rows + blockRows - 1) / blockRows) { blocks in
      for block in blocks {
        let y = block * blockRows
        let first = map.index(y * stride + start, start)
        var codes = cvar_code_map(
          codes: map.codes + first, scales: map.scales + first / map.groupSize,
          sums: map.sums + first / map.groupSize, height: Int32(min(blockRows, rows - y)),
          width: Int32(width), row_stride: stride * kernelStride,
          pixel_stride: stride * map.channels, kernel_stride: kernelStride)
        withUnsafePointer(to: layer.matrix) { matrix in
          compute.kernels.pointee.convolve_quantized(
            matrix, &codes, layer.bias, buffers.output + y * width * layer.rows,
            width * layer.rows, 0, Int32(layer.tileCount))
        }
      }
    }
  }
}
