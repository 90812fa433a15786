/// Resampling of code maps `[height, width, channels]` (ARCHITECTURE 9.3, 11).
package enum CodeMap {
  /// Where a pixel of a resampled axis reads from: align_corners false, no antialiasing.
  private struct Tap {
    let lower, upper: Int
    let weight: Float

    init(_ index: Int, input: Int, output: Int) {
      let source = max((Float(index) + 0.5) * (Float(input) / Float(output)) - 0.5, 0)
      lower = min(Int(source), input - 1)
      upper = min(lower + 1, input - 1)
      weight = source - Float(lower)
    }
  }

  /// Bilinear resampling with two taps per axis, also when shrinking.
  package static func bilinear(
    _ input: UnsafePointer<Float>, from: GridSize, channels: Int, to: GridSize,
    into output: UnsafeMutablePointer<Float>
  ) {
    if from == to {
      output.update(from: input, count: from.tokenCount * channels)
      return
    }
    for y in 0..<to.height {
      let vertical = Tap(y, input: from.height, output: to.height)
      let (above, below) = (1 - vertical.weight, vertical.weight)
      for x in 0..<to.width {
        let horizontal = Tap(x, input: from.width, output: to.width)
        let (left, right) = (1 - horizontal.weight, horizontal.weight)
        let upperLeft = input + (vertical.lower * from.width + horizontal.lower) * channels
        let upperRight = input + (vertical.lower * from.width + horizontal.upper) * channels
        let lowerLeft = input + (vertical.upper * from.width + horizontal.lower) * channels
        let lowerRight = input + (vertical.upper * from.width + horizontal.upper) * channels
        let target = output + (y * to.width + x) * channels
        for channel in 0..<channels {
          let upper = left * upperLeft[channel] + right * upperRight[channel]
          let lower = left * lowerLeft[channel] + right * lowerRight[channel]
          target[channel] = above * upper + below * lower
        }
      }
    }
  }

  /// Adaptive average pooling: bin `i` of `n` covers `floor(i * size / n)` up to `ceil((i + 1) * size / n)`.
  package static func area(
    _ input: UnsafePointer<Float>, from: GridSize, channels: Int, to: GridSize,
    into output: UnsafeMutablePointer<Float>
  ) {
    for y in 0..<to.height {
      let rows = bin(y, input: from.height, output: to.height)
      for x in 0..<to.width {
        let columns = bin(x, input: from.width, output: to.width)
        let target = output + (y * to.width + x) * channels
        for channel in 0..<channels {
          var sum: Float = 0
          for row in rows {
            for column in columns {
              sum += input[(row * from.width + column) * channels + channel]
            }
          }
          target[channel] = sum / Float(rows.count * columns.count)
        }
      }
    }
  }

  private static func bin(_ index: Int, input: Int, output: Int) -> Range<Int> {
    (index * input / output)..<(((index + 1) * input + output - 1) / output)
  }
}
