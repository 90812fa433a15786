/// The filter taps of one axis, in Pillow's fixed point.
///
/// Keys' kernel with a = -0.5, widened by the reduction factor; the weights of a target sample are normalised in double
/// and rounded to 22 fractional bits, half away from zero, as Pillow's `Resample.c` does.
private struct ResizeTaps {
  static let fractionBits = 22

  /// First source sample of each target sample.
  let starts: [Int]
  /// Taps of each target sample, at most `stride`.
  let counts: [Int]
  /// `[target, stride]`
  let weights: [Int32]
  let stride: Int

  init(from sourceCount: Int, to targetCount: Int) {
    let scale = Double(sourceCount) / Double(targetCount)
    let filterScale = max(scale, 1)
    let support = 2 * filterScale
    let inverse = 1 / filterScale
    stride = Int(support.rounded(.up)) * 2 + 1
    var starts: [Int] = []
    var counts: [Int] = []
    var weights = [Int32](repeating: 0, count: targetCount * stride)
    var taps = [Double](repeating: 0, count: stride)
    for target in 0..<targetCount {
      let centre = (Double(target) + 0.5) * scale
      let start = max(0, Int(centre - support + 0.5))
      let count = min(sourceCount, Int(centre + support + 0.5)) - start
      var sum = 0.0
      for k in 0..<count {
        taps[k] = Self.kernel((Double(k + start) - centre + 0.5) * inverse)
        sum += taps[k]
      }
      for k in 0..<count {
        let weight = (sum == 0 ? taps[k] : taps[k] / sum) * Double(1 << Self.fractionBits)
        weights[target * stride + k] = Int32(weight < 0 ? weight - 0.5 : weight + 0.5)
      }
      starts.append(start)
      counts.append(count)
    }
    self.starts = starts
    self.counts = counts
    self.weights = weights
  }

  private static func kernel(_ argument: Double) -> Double {
    let a = -0.5
    let x = abs(argument)
    if x < 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
    if x < 2 { return (((x - 5) * x + 8) * x - 4) * a }
    return 0
  }
}

@inline(__always)
private func clip(_ sum: Int32) -> UInt8 {
  UInt8(truncatingIfNeeded: min(255, max(0, sum >> Int32(ResizeTaps.fractionBits))))
}

extension RGBImage {
  /// Bytes of memory that a resize takes beside the picture itself: what the first pass leaves, the result, the taps.
  package static func resizeByteCount(
    from source: ImageDecoder.Extents, to target: ImageDecoder.Extents
  ) -> Int {
    let between = target.width == source.width ? 0 : target.width * source.height * 3
    let result = target == source ? 0 : target.width * target.height * 3
    // Four taps of 4 bytes for a sample of the longer side, those of one axis at a time, and one row of sums.
    let taps = 2 * max(source.width, source.height, target.width, target.height) * 16
    return between + result + taps + target.width * 12
  }

  /// The same of ``fitted(width:height:)``, which cuts first.
  package static func fittingByteCount(
    from source: ImageDecoder.Extents, to target: ImageDecoder.Extents
  ) -> Int {
    let isWhole = source.width * target.height == source.height * target.width
    return (isWhole ? 0 : source.width * source.height * 3)
      + resizeByteCount(from: source, to: target)
  }

  /// Bicubic resize, equal to Pillow's `resize((width, height), BICUBIC)` bit for bit.
  ///
  /// Horizontal pass first; each pass rounds to 8 bits; a pass that changes nothing is skipped. Takes
  /// `height * newWidth * 3` bytes of scratch.
  package func resized(width newWidth: Int, height newHeight: Int) -> RGBImage {
    precondition(newWidth > 0 && newHeight > 0, "a picture has at least one pixel")
    var result = self
    if newWidth != width { result = result.resizedHorizontally(to: newWidth) }
    if newHeight != height { result = result.resizedVertically(to: newHeight) }
    return result
  }

  private func resizedHorizontally(to newWidth: Int) -> RGBImage {
    let taps = ResizeTaps(from: width, to: newWidth)
    let count = newWidth * height * 3
    let resized = [UInt8](unsafeUninitializedCapacity: count) { target, initialized in
      pixels.withUnsafeBufferPointer { source in
        taps.weights.withUnsafeBufferPointer { weights in
          var output = 0
          for y in 0..<height {
            for x in 0..<newWidth {
              var red = Int32(1) << 21
              var green = red
              var blue = red
              var input = (y * width + taps.starts[x]) * 3
              let base = x * taps.stride
              for k in base..<base + taps.counts[x] {
                let weight = weights[k]
                red &+= Int32(source[input]) &* weight
                green &+= Int32(source[input + 1]) &* weight
                blue &+= Int32(source[input + 2]) &* weight
                input += 3
              }
              target[output] = clip(red)
              target[output + 1] = clip(green)
              target[output + 2] = clip(blue)
              output += 3
            }
          }
        }
      }
      initialized = count
    }
    return RGBImage(width: newWidth, height: height, pixels: resized)
  }

  private func resizedVertically(to newHeight: Int) -> RGBImage {
    let taps = ResizeTaps(from: height, to: newHeight)
    let rowCount = width * 3
    let count = rowCount * newHeight
    var sums = [Int32](repeating: 0, count: rowCount)
    let resized = [UInt8](unsafeUninitializedCapacity: count) { target, initialized in
      pixels.withUnsafeBufferPointer { source in
        sums.withUnsafeMutableBufferPointer { sums in
          for y in 0..<newHeight {
            sums.update(repeating: 1 << 21)
            for k in 0..<taps.counts[y] {
              let weight = taps.weights[y * taps.stride + k]
              let start = (taps.starts[y] + k) * rowCount
              for x in 0..<rowCount { sums[x] &+= Int32(source[start + x]) &* weight }
            }
            for x in 0..<rowCount { target[y * rowCount + x] = clip(sums[x]) }
          }
        }
      }
      initialized = count
    }
    return RGBImage(width: width, height: newHeight, pixels: resized)
  }
}
