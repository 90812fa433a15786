import CVARKernels

/// Group norm of a map `[height, width, channels]`, followed by SiLU.
package struct GroupNorm {
  let groups: Int
  let weight, bias: UnsafePointer<Float>
  let eps: Double
  let sums: UnsafeMutablePointer<Double>

  /// - Parameter sums: scratch of `scratchCount` doubles.
  package init(
    groups: Int, weight: UnsafePointer<Float>, bias: UnsafePointer<Float>, eps: Double,
    sums: UnsafeMutablePointer<Double>
  ) {
    self.groups = groups
    self.weight = weight
    self.bias = bias
    self.eps = eps
    self.sums = sums
  }

  /// Doubles of scratch.
  package static func scratchCount(height: Int, channels: Int) -> Int {
    height * 2 * channels + channels
  }
}

extension Compute {
  /// Group norm and SiLU into a padded map.
  package func normalize(
    _ input: UnsafePointer<Float>, _ norm: GroupNorm, into output: PaddedMap
  ) {
    let (width, channels) = (output.width, output.channels)
    let (scale, shift) = channelGains(
      input, norm, height: output.height, width: width, channels: channels)
    pool.parallel(output.height) { rows in
      for y in rows {
        kernels.pointee.channel_affine(
          input + y * width * channels, Int32(width), Int32(channels), scale, shift, 1,
          output.pixel(y, 0))
      }
    }
    output.clearBorder()
  }

  /// Group norm and SiLU into a quantized map.
  package func normalize(
    _ input: UnsafePointer<Float>, _ norm: GroupNorm, scratch: WinogradScratch,
    into output: QuantizedMap
  ) {
    let (height, width, channels) = (output.height, output.width, output.channels)
    let (scale, shift) = channelGains(
      input, norm, height: height, width: width, channels: channels)
    let shares = scratch.shareCount
    pool.parallel(shares) { range in
      for share in range {
        // A few pixels at a time: their f32 values stay in the cache.
        let values = scratch.patches + share * scratch.shareCapacity
        for y in height * share / shares..<height * (share + 1) / shares {
          for x in stride(from: 0, to: width, by: WinogradScratch.blockPatches) {
            let count = min(WinogradScratch.blockPatches, width - x)
            kernels.pointee.channel_affine(
              input + (y * width + x) * channels, Int32(count), Int32(channels), scale, shift, 1,
              values)
            output.quantize(kernels, values, y: y, x: x, count: count)
          }
        }
      }
    }
    output.clearBorder()
  }

  /// Scale and shift of each channel.
  ///
  /// Sums run over a row's pixels in f64 and then over rows, so that they do not depend on the threads.
  private func channelGains(
    _ input: UnsafePointer<Float>, _ norm: GroupNorm, height: Int, width: Int, channels: Int
  ) -> (scale: UnsafeMutablePointer<Float>, shift: UnsafeMutablePointer<Float>) {
    let sums = norm.sums
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
    let size = channels / norm.groups
    for group in 0..<norm.groups {
      var sum = 0.0
      var squares = 0.0
      for channel in group * size..<(group + 1) * size {
        sum += sums[channel]
        squares += sums[channels + channel]
      }
      let count = Double(height * width * size)
      let mean = sum / count
      let variance = max(squares / count - mean * mean, 0)
      let inverse = 1 / (variance + norm.eps).squareRoot()
      for channel in group * size..<(group + 1) * size {
        let gain = inverse * Double(norm.weight[channel])
        scale[channel] = Float(gain)
        shift[channel] = Float(Double(norm.bias[channel]) - mean * gain)
      }
    }
    return (scale, shift)
  }
}
