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
}
