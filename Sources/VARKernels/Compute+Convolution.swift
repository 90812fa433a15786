import CVARKernels

/// A map of `height` x `width` pixels with `channels` values each, channels last, inside a border of zeros.
package struct PaddedMap {
  package let pointer: UnsafeMutablePointer<Float>
  package let height: Int
  package let width: Int
  package let channels: Int

  package init(
    _ pointer: UnsafeMutablePointer<Float>, height: Int, width: Int, channels: Int
  ) {
    self.pointer = pointer
    self.height = height
    self.width = width
    self.channels = channels
  }

  /// Elements from one padded row to the next.
  package var rowStride: Int { (width + 2) * channels }
  package static func floatCount(height: Int, width: Int, channels: Int) -> Int {
    (height + 2) * (width + 2) * channels
  }

  /// First value of a pixel; -1 and `height` (or `width`) are the border.
  package func pixel(_ y: Int, _ x: Int) -> UnsafeMutablePointer<Float> {
    pointer + (y + 1) * rowStride + (x + 1) * channels
  }

  /// Writes the border's zeros.
  package func clearBorder() {
    pixel(-1, -1).update(repeating: 0, count: rowStride)
    pixel(height, -1).update(repeating: 0, count: rowStride)
    for y in 0..<height {
      pixel(y, -1).update(repeating: 0, count: channels)
      pixel(y, width).update(repeating: 0, count: channels)
    }
  }
}

extension Compute {
  /// A 3x3 convolution of a padded map into `[height / stride, width / stride, out]` without gaps.
  ///
  /// Stride 1 pads one pixel on each side; stride 2 pads right and below only (ARCHITECTURE 11). Large maps of stride 1
  /// go by way of `WinogradScratch.suits`, all others add up the products one by one.
  package func convolve3x3(
    _ input: PaddedMap, _ layer: Linear, stride: Int = 1, scratch: WinogradScratch,
    into output: UnsafeMutablePointer<Float>
  ) {
    precondition(layer.cols == 9 * input.channels, "a 3x3 kernel over \(input.channels) channels")
    let isLarge = WinogradScratch.suits(
      height: input.height, width: input.width, channels: input.channels, outputs: layer.rows)
    if stride == 1, isLarge {
      convolveWinograd(input, layer, scratch: scratch, into: output)
    } else {
      convolveDirectly(input, layer, stride: stride, into: output)
    }
  }

  private func convolveDirectly(
    _ input: PaddedMap, _ layer: Linear, stride: Int, into output: UnsafeMutablePointer<Float>
  ) {
    let outputWidth = input.width / stride
    let offset = stride == 1 ? -1 : 0
    withUnsafePointer(to: layer.matrix) { matrix in
      pool.parallel(input.height / stride) { rows in
        for y in rows {
          kernels.pointee.matmul_float(
            matrix, input.pixel(y * stride + offset, offset), stride * input.channels, 3,
            input.rowStride, Int32(outputWidth), layer.bias, output + y * outputWidth * layer.rows,
            layer.rows, 0, Int32(layer.tileCount))
        }
      }
    }
  }

  /// Group norm of `[pixels, channels]` (rows of `width` pixels), optional SiLU, into a padded map.
  ///
  /// Sums run over a row's pixels in f64 and then over rows, so that they do not depend on the threads.
  package func groupNorm(
    _ input: UnsafePointer<Float>, height: Int, width: Int, channels: Int, groups: Int,
    weight: UnsafePointer<Float>, bias: UnsafePointer<Float>, eps: Double,
    sums: UnsafeMutablePointer<Double>, into output: PaddedMap
  ) {
    let rowSums = 2 * channels
    pool.parallel(height) { rows in
      for y in rows {
        let sum = sums + y * rowSums
        sum.update(repeating: 0, count: rowSums)
        kernels.pointee.channel_sums(
          input + y * width * channels, Int32(width), Int32(channels), sum, sum + channels)
      }
    }
    for y in 1..<max(height, 1) {
      for index in 0..<rowSums { sums[index] += sums[y * rowSums + index] }
    }
    // The totals stand in row 0; scale and shift of each channel go behind the row sums.
    let scale = UnsafeMutableRawPointer(sums + height * rowSums).assumingMemoryBound(to: Float.self)
    let shift = scale + channels
    let size = channels / groups
    for group in 0..<groups {
      var sum = 0.0
      var squares = 0.0
      for channel in group * size..<(group + 1) * size {
        sum += sums[channel]
        squares += sums[channels + channel]
      }
      let count = Double(height * width * size)
      let mean = sum / count
      let variance = max(squares / count - mean * mean, 0)
      let inverse = 1 / (variance + eps).squareRoot()
      for channel in group * size..<(group + 1) * size {
        let gain = inverse * Double(weight[channel])
        scale[channel] = Float(gain)
        shift[channel] = Float(Double(bias[channel]) - mean * gain)
      }
    }
    pool.parallel(height) { rows in
      for y in rows {
        kernels.pointee.channel_affine(
          input + y * width * channels, Int32(width), Int32(channels), scale, shift, 1,
          output.pixel(y, 0))
      }
    }
    output.clearBorder()
  }

  /// Doubles of scratch that `groupNorm` needs.
  package static func groupNormScratch(height: Int, channels: Int) -> Int {
    height * 2 * channels + channels
  }
}
