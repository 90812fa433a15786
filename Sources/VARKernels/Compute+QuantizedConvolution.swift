import CVARKernels

/// A map in int8 with a scale per pixel and group of channels, inside a border of zeros: the input of a quantized 3x3
/// convolution.
package struct QuantizedMap {
  let codes: UnsafeMutablePointer<Int8>
  let scales: UnsafeMutablePointer<Float>
  let sums: UnsafeMutablePointer<Int32>
  let height: Int
  let width: Int
  let channels: Int
  let groupSize: Int

  /// - Parameter memory: aligned to 64 bytes, at least as large as the f32 values of a `PaddedMap` of this size.
  package init(
    _ memory: UnsafeMutablePointer<Float>, height: Int, width: Int, channels: Int, groupSize: Int
  ) {
    precondition(channels % groupSize == 0, "groups of \(groupSize) cut \(channels) channels")
    self.height = height
    self.width = width
    self.channels = channels
    self.groupSize = groupSize
    let pixels = (height + 2) * (width + 2)
    let groups = pixels * (channels / groupSize)
    codes = UnsafeMutableRawPointer(memory).assumingMemoryBound(to: Int8.self)
    // A group has at least 16 codes, so that all three take at most 1.5 bytes of the 4 a value has.
    scales = memory + (pixels * channels + 3) / 4
    sums = UnsafeMutableRawPointer(scales + groups).assumingMemoryBound(to: Int32.self)
  }

  /// Place of a pixel's first code; -1 and `height` (or `width`) are the border.
  func index(_ y: Int, _ x: Int) -> Int { ((y + 1) * (width + 2) + x + 1) * channels }

  /// Writes the border's zeros.
  func clearBorder() {
    clear(-1, -1, count: width + 2)
    clear(height, -1, count: width + 2)
    for y in 0..<height {
      clear(y, -1, count: 1)
      clear(y, width, count: 1)
    }
  }

  private func clear(_ y: Int, _ x: Int, count: Int) {
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

extension Linear {
  /// Inputs that share a scale; nil for floats.
  package var groupSize: Int? { isQuantized ? Int(matrix.group_size) : nil }
}

extension Compute {
  /// `[height, width, channels]` as it is.
  package func quantize(_ input: UnsafePointer<Float>, into map: QuantizedMap) {
    let row = map.width * map.channels
    pool.parallel(map.height) { rows in
      for y in rows { map.quantize(kernels, input + y * row, y: y, x: 0, count: map.width) }
    }
    map.clearBorder()
  }

  /// `[height / 2, width / 2, channels]`, every pixel four times.
  package func quantizeUpsampled(_ input: UnsafePointer<Float>, into map: QuantizedMap) {
    let row = map.width / 2 * map.channels
    pool.parallel(map.height / 2) { rows in
      for y in rows {
        for x in 0..<map.width / 2 {
          let pixel = input + y * row + x * map.channels
          map.quantize(kernels, pixel, y: 2 * y, x: 2 * x, count: 1)
          map.copy(from: (2 * y, 2 * x), to: (2 * y, 2 * x + 1), count: 1)
        }
        map.copy(from: (2 * y, 0), to: (2 * y + 1, 0), count: map.width)
      }
    }
    map.clearBorder()
  }

  /// A 3x3 convolution of a quantized map into `[height / stride, width / stride, out]`; padding as for floats.
  package func convolve3x3(
    _ input: QuantizedMap, _ layer: Linear, stride: Int = 1,
    into output: UnsafeMutablePointer<Float>
  ) {
    precondition(
      layer.cols == 9 * input.channels && Int(layer.matrix.group_size) == input.groupSize,
      "a 3x3 kernel over \(input.channels) channels in groups of \(input.groupSize)")
    let (height, width) = (input.height / stride, input.width / stride)
    let offset = stride == 1 ? -1 : 0
    // Some 512 pixels share each unpacking of the weights.
    let wanted = min(max(1, 512 / width), (height + pool.threadCount - 1) / pool.threadCount)
    let blockRows = max(1, wanted)
    let kernelStride = (input.width + 2) * input.channels
    pool.parallel((height + blockRows - 1) / blockRows) { blocks in
      for block in blocks {
        let y = block * blockRows
        let first = input.index(y * stride + offset, offset)
        var map = cvar_code_map(
          codes: input.codes + first, scales: input.scales + first / input.groupSize,
          sums: input.sums + first / input.groupSize, height: Int32(min(blockRows, height - y)),
          width: Int32(width), row_stride: stride * kernelStride,
          pixel_stride: stride * input.channels, kernel_stride: kernelStride)
        withUnsafePointer(to: layer.matrix) { matrix in
          kernels.pointee.convolve_quantized(
            matrix, &map, layer.bias, output + y * width * layer.rows, width * layer.rows, 0,
            Int32(layer.tileCount))
        }
      }
    }
  }
}
