/// Sums over all pixels of a map, per channel in f64, gathered row by row while the map is written.
package struct ChannelSums {
  /// Sums and sums of squares, `[2 * channels]`.
  let totals: UnsafeMutablePointer<Double>

  /// - Parameter totals: two values for each channel.
  package init(_ totals: UnsafeMutablePointer<Double>) { self.totals = totals }

  func clear(channels: Int) { totals.update(repeating: 0, count: 2 * channels) }

  /// Adds the sums of one row; rows come in ascending order.
  func add(_ row: UnsafePointer<Double>, channels: Int) {
    for index in 0..<2 * channels { totals[index] += row[index] }
  }
}

/// A factor and a summand for each channel.
package struct ChannelGains {
  let gain, shift: UnsafeMutablePointer<Float>

  /// - Parameter values: two for each channel.
  package init(_ values: UnsafeMutablePointer<Float>, channels: Int) {
    gain = values
    shift = values + channels
  }
}

/// Group norm with its weights.
package struct GroupNorm {
  let groups: Int
  let weight, bias: UnsafePointer<Float>
  let eps: Double

  package init(
    groups: Int, weight: UnsafePointer<Float>, bias: UnsafePointer<Float>, eps: Double
  ) {
    self.groups = groups
    self.weight = weight
    self.bias = bias
    self.eps = eps
  }

  /// What normalizes a map of `pixelCount` pixels that has the sums `sums`.
  package func gains(
    _ sums: ChannelSums, pixelCount: Int, channels: Int, into values: UnsafeMutablePointer<Float>
  ) -> ChannelGains {
    let gains = ChannelGains(values, channels: channels)
    let size = channels / groups
    for group in 0..<groups {
      var sum = 0.0
      var squares = 0.0
      for channel in group * size..<(group + 1) * size {
        sum += sums.totals[channel]
        squares += sums.totals[channels + channel]
      }
      let count = Double(pixelCount * size)
      let mean = sum / count
      let variance = max(squares / count - mean * mean, 0)
      let inverse = 1 / (variance + eps).squareRoot()
      for channel in group * size..<(group + 1) * size {
        let gain = inverse * Double(weight[channel])
        gains.gain[channel] = Float(gain)
        gains.shift[channel] = Float(Double(bias[channel]) - mean * gain)
      }
    }
    return gains
  }
}
