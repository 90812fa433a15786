import VARKernels

/// Resampling of code maps, a row for each place of a grid (MODEL 9.3, 11).
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
    _ input: Rows, from: GridSize, to: GridSize, into output: Rows
  ) {
    check(input, from, to, output)
    if from == to { return output.copy(from: input) }
    for y in 0..<to.height {
      let vertical = Tap(y, input: from.height, output: to.height)
      let (above, below) = (1 - vertical.weight, vertical.weight)
      for x in 0..<to.width {
        let horizontal = Tap(x, input: from.width, output: to.width)
        let (left, right) = (1 - horizontal.weight, horizontal.weight)
        let upperLeft = input[vertical.lower * from.width + horizontal.lower]
        let upperRight = input[vertical.lower * from.width + horizontal.upper]
        let lowerLeft = input[vertical.upper * from.width + horizontal.lower]
        let lowerRight = input[vertical.upper * from.width + horizontal.upper]
        let target = output[y * to.width + x]
        for channel in 0..<output.columns {
          let upper = left * upperLeft[channel] + right * upperRight[channel]
          let lower = left * lowerLeft[channel] + right * lowerRight[channel]
          target[channel] = above * upper + below * lower
        }
      }
    }
  }

  /// Adaptive average pooling: bin `i` of `n` covers `floor(i * size / n)` up to `ceil((i + 1) * size / n)`.
  package static func area(_ input: Rows, from: GridSize, to: GridSize, into output: Rows) {
    check(input, from, to, output)
    for y in 0..<to.height {
      let rows = bin(y, input: from.height, output: to.height)
      for x in 0..<to.width {
        let columns = bin(x, input: from.width, output: to.width)
        let target = output[y * to.width + x]
        for channel in 0..<output.columns {
          var sum: Float = 0
          for row in rows {
            for column in columns {
              sum += input[row * from.width + column][channel]
            }
          }
          target[channel] = sum / Float(rows.count * columns.count)
        }
      }
    }
  }

  private static func check(_ input: Rows, _ from: GridSize, _ to: GridSize, _ output: Rows) {
    precondition(
      input.count == from.tokenCount && output.count == to.tokenCount
        && input.columns == output.columns, "maps of other grids")
  }

  private static func bin(_ index: Int, input: Int, output: Int) -> Range<Int> {
    (index * input / output)..<(((index + 1) * input + output - 1) / output)
  }
}
