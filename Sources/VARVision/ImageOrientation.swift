/// How a stored picture must be turned to stand upright; the raw values are those of EXIF tag 0x0112.
enum ImageOrientation: Int, Sendable, CaseIterable {
  case upright = 1
  case mirrored = 2
  case turned180 = 3
  case mirroredTurned180 = 4
  case transposed = 5
  case turned90 = 6
  case transversed = 7
  case turned270 = 8

  /// The source pixel of target pixel (x, y), in a source of `width` x `height`.
  func source(x: Int, y: Int, width: Int, height: Int) -> (x: Int, y: Int) {
    switch self {
    case .upright: (x, y)
    case .mirrored: (width - 1 - x, y)
    case .turned180: (width - 1 - x, height - 1 - y)
    case .mirroredTurned180: (x, height - 1 - y)
    case .transposed: (y, x)
    case .turned90: (y, height - 1 - x)
    case .transversed: (width - 1 - y, height - 1 - x)
    case .turned270: (width - 1 - y, x)
    }
  }

  var swapsSides: Bool { rawValue >= 5 }
}

extension RGBImage {
  func oriented(_ orientation: ImageOrientation) -> RGBImage {
    if orientation == .upright { return self }
    let newWidth = orientation.swapsSides ? height : width
    let newHeight = orientation.swapsSides ? width : height
    let turned = [UInt8](unsafeUninitializedCapacity: pixels.count) { target, count in
      pixels.withUnsafeBufferPointer { source in
        var position = 0
        for y in 0..<newHeight {
          for x in 0..<newWidth {
            let from = orientation.source(x: x, y: y, width: width, height: height)
            let start = (from.y * width + from.x) * 3
            target[position] = source[start]
            target[position + 1] = source[start + 1]
            target[position + 2] = source[start + 2]
            position += 3
          }
        }
        count = position
      }
    }
    return RGBImage(width: newWidth, height: newHeight, pixels: turned)
  }
}
