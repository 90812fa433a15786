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

// The orientation is optional information: whatever is malformed counts as upright.
extension ImageOrientation {
  /// From the first EXIF segment of a JPEG file.
  init(jpeg bytes: UnsafeRawBufferPointer) {
    var position = 2
    while position + 4 <= bytes.count, bytes[position] == 0xFF {
      let marker = bytes[position + 1]
      if marker == 0xFF {
        position += 1
        continue
      }
      // Start of scan: the headers are over.
      if marker == 0xDA || marker == 0xD9 { break }
      let length = Int(bytes[position + 2]) << 8 | Int(bytes[position + 3])
      let end = position + 2 + length
      guard length >= 2, end <= bytes.count else { break }
      let payload = UnsafeRawBufferPointer(rebasing: bytes[position + 4..<end])
      if marker == 0xE1, payload.count > 6, payload.prefix(6).elementsEqual(Array("Exif\0\0".utf8))
      {
        self.init(tiff: UnsafeRawBufferPointer(rebasing: payload[6...]))
        return
      }
      position = end
    }
    self = .upright
  }

  /// From the `eXIf` chunk of a PNG file.
  init(png bytes: UnsafeRawBufferPointer) {
    var position = 8
    while position + 12 <= bytes.count {
      let length = Int(
        clamping:
          UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt32.self)))
      guard length <= bytes.count - position - 12 else { break }
      if bytes[position + 4..<position + 8].elementsEqual("eXIf".utf8) {
        let start = position + 8
        self.init(tiff: UnsafeRawBufferPointer(rebasing: bytes[start..<start + length]))
        return
      }
      position += 12 + length
    }
    self = .upright
  }

  /// From tag 0x0112 of the first directory of a TIFF structure.
  private init(tiff bytes: UnsafeRawBufferPointer) {
    self = .upright
    guard bytes.count >= 8 else { return }
    let isBigEndian = bytes[0] == UInt8(ascii: "M")
    guard bytes[0] == bytes[1], isBigEndian || bytes[0] == UInt8(ascii: "I") else { return }
    func number16(_ offset: Int) -> Int {
      let value = bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self)
      return Int(isBigEndian ? UInt16(bigEndian: value) : UInt16(littleEndian: value))
    }
    func number32(_ offset: Int) -> Int {
      let value = bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
      return Int(clamping: isBigEndian ? UInt32(bigEndian: value) : UInt32(littleEndian: value))
    }
    let directory = number32(4)
    guard number16(2) == 42, directory <= bytes.count - 2 else { return }
    for index in 0..<number16(directory) {
      let entry = directory + 2 + index * 12
      guard entry + 12 <= bytes.count else { return }
      guard number16(entry) == 0x0112 else { continue }
      // SHORT or LONG, one value.
      guard number32(entry + 4) == 1 else { return }
      let value =
        switch number16(entry + 2) {
        case 3: number16(entry + 8)
        case 4: number32(entry + 8)
        default: 1
        }
      self = ImageOrientation(rawValue: value) ?? .upright
      return
    }
  }
}
