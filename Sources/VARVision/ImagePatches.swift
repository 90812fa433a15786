/// One picture as the vision tower takes it.
///
/// Patches run over 2 x 2 blocks (block row, block column), inside a block row by row, for a merge size of 2. Both
/// frames of a still picture are equal, so one is kept and the temporal slices of the kernel are summed beforehand.
package struct ImagePatches: Sendable, Equatable {
  /// Rows of patches.
  package let gridHeight: Int
  /// Columns of patches.
  package let gridWidth: Int
  /// `[gridHeight * gridWidth, 3 * patchSize * patchSize]`, a patch over (channel, y, x), normalised.
  package let values: [Float]
  /// Side of a patch, in pixels.
  package let patchSize: Int
  /// Patches per side of one token.
  package let mergeSize: Int
  /// Frames of a patch in ``expanded()``.
  package let temporalPatchSize: Int
  /// Extents of the picture in its file, in pixels.
  package let sourceHeight, sourceWidth: Int
  /// Whether the area limit shrank the picture.
  package let isShrunk: Bool

  /// Whether a side was too short for a token.
  package var isEnlarged: Bool { min(sourceHeight, sourceWidth) < patchSize * mergeSize }
  /// Patches of the picture.
  package var patchCount: Int { gridHeight * gridWidth }
  /// Tokens in the language model's prompt.
  package var tokenCount: Int { patchCount / (mergeSize * mergeSize) }
  /// Height after the resize, in pixels.
  package var resizedHeight: Int { gridHeight * patchSize }
  /// Width after the resize, in pixels.
  package var resizedWidth: Int { gridWidth * patchSize }

  /// The reference's layout, `[patchCount, 3 * temporalPatchSize * patchSize * patchSize]` over
  /// (channel, frame, y, x), for traces.
  package func expanded() -> [Float] { expanded(0..<patchCount) }

  /// The same of some patches.
  package func expanded(_ patches: Range<Int>) -> [Float] {
    let planeCount = patchSize * patchSize
    var result: [Float] = []
    result.reserveCapacity(patches.count * 3 * planeCount * temporalPatchSize)
    let (first, end) = (patches.lowerBound * 3 * planeCount, patches.upperBound * 3 * planeCount)
    for start in Swift.stride(from: first, to: end, by: planeCount) {
      for _ in 0..<temporalPatchSize {
        result.append(contentsOf: values[start..<start + planeCount])
      }
    }
    return result
  }
}

extension ImagePreprocessing {
  /// Resizes, normalises and cuts a picture; throws ``ImageError/Code/tooSmall`` as ``smartResize(height:width:)``.
  ///
  /// The extents are those that the picture's file gives, also where less of it was decoded.
  package func patches(of image: RGBImage) throws(ImageError) -> ImagePatches {
    let source = image.source ?? ImageSource(width: image.width, height: image.height)
    let size: SmartResize
    do throws(ImageError) {
      size = try smartResize(height: source.height, width: source.width)
    } catch { throw error.at(source.name) }
    let resized = image.resized(width: size.width, height: size.height)
    return ImagePatches(
      gridHeight: size.height / patchSize, gridWidth: size.width / patchSize,
      values: cut(resized), patchSize: patchSize, mergeSize: mergeSize,
      temporalPatchSize: temporalPatchSize, sourceHeight: source.height, sourceWidth: source.width,
      isShrunk: size.isShrunk)
  }

  /// `(u8 / 255 - mean) / std` for each channel and byte, `[3, 256]`.
  private var normalised: [Float] {
    (0..<3).flatMap { channel in
      (0..<256).map { byte in
        // The reference scales in double and rounds to float before it normalises.
        let unit = Float(Double(byte) * (1.0 / 255))
        return (unit - mean[channel]) / std[channel]
      }
    }
  }

  private func cut(_ image: RGBImage) -> [Float] {
    let table = normalised
    let (blockRows, blockColumns) = (image.height / factor, image.width / factor)
    let count = image.pixels.count
    return [Float](unsafeUninitializedCapacity: count) { target, initialized in
      image.pixels.withUnsafeBufferPointer { source in
        var output = 0
        for block in 0..<blockRows * blockColumns {
          let (blockRow, blockColumn) = block.quotientAndRemainder(dividingBy: blockColumns)
          for inner in 0..<mergeSize * mergeSize {
            let top = blockRow * factor + inner / mergeSize * patchSize
            let left = blockColumn * factor + inner % mergeSize * patchSize
            for channel in 0..<3 {
              for y in top..<top + patchSize {
                var input = (y * image.width + left) * 3 + channel
                for _ in 0..<patchSize {
                  target[output] = table[channel << 8 | Int(source[input])]
                  output += 1
                  input += 3
                }
              }
            }
          }
        }
        initialized = output
      }
    }
  }
}

// A picture of one token.
extension ImagePatches {
  /// - Parameter values: of as many patches as one token has.
  package init(firstToken values: [Float], of preprocessing: ImagePreprocessing) {
    let (patch, merge) = (preprocessing.patchSize, preprocessing.mergeSize)
    precondition(values.count == merge * merge * 3 * patch * patch, "the patches of one token")
    self.init(
      gridHeight: merge, gridWidth: merge, values: values, patchSize: patch, mergeSize: merge,
      temporalPatchSize: preprocessing.temporalPatchSize, sourceHeight: merge * patch,
      sourceWidth: merge * patch, isShrunk: false)
  }

  /// The values of the patches of the first token, which stand first.
  package var firstTokenValues: [Float] {
    Array(values[..<(mergeSize * mergeSize * 3 * patchSize * patchSize)])
  }
}
