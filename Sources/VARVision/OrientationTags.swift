import CImageIO

// Where a file says how its picture must be turned: all places that Pillow's `getexif` knows. The orientation is
// optional information, so that whatever is malformed counts as absent.
extension ImageOrientation {
  /// - Parameter format: `CIMAGE_PNG`, `CIMAGE_JPEG` or `CIMAGE_WEBP`.
  init(format: Int, _ bytes: UnsafeRawBufferPointer) {
    let tags =
      switch format {
      case CIMAGE_PNG: OrientationTags(png: bytes)
      case CIMAGE_JPEG: OrientationTags(jpeg: bytes)
      default: OrientationTags(webp: bytes)
      }
    self = tags.value.flatMap(ImageOrientation.init(rawValue:)) ?? .upright
  }
}

/// The metadata of a file that can name an orientation.
private struct OrientationTags {
  /// A TIFF structure.
  private var exif: [UInt8] = []
  private var xmp: [UInt8] = []

  /// A file's metadata of one kind beyond this are not read, nor are texts that inflate to more. Pillow's limit.
  private static let largestText = 1 << 20

  /// EXIF wins over XMP; nil where neither has an orientation.
  var value: Int? { TIFFOrientation.value(exif) ?? xmpValue }

  /// The digit of the first `tiff:Orientation="6"` or `<tiff:Orientation>6<`.
  private var xmpValue: Int? {
    let name = Array("tiff:Orientation".utf8)
    var rest = xmp[...]
    while let start = rest.firstIndex(of: name[0]) {
      rest = rest[start...]
      defer { rest = rest.dropFirst() }
      guard rest.starts(with: name) else { continue }
      var after = rest.dropFirst(name.count)
      if after.starts(with: Array("=\"".utf8)) {
        after = after.dropFirst(2)
      } else if after.first == UInt8(ascii: ">") {
        after = after.dropFirst()
      } else {
        continue
      }
      if let digit = after.first, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) {
        return Int(digit - UInt8(ascii: "0"))
      }
    }
    return nil
  }
}

// MARK: JPEG

extension OrientationTags {
  /// From the APP1 segments before the first scan; several with EXIF are one structure.
  fileprivate init(jpeg bytes: UnsafeRawBufferPointer) {
    let exifMark = Array("Exif\0\0".utf8)
    let xmpMark = Array("http://ns.adobe.com/xap/1.0/\0".utf8)
    var position = 2
    while position + 4 <= bytes.count {
      // Fill bytes, and what stands between segments.
      guard bytes[position] == 0xFF, bytes[position + 1] != 0xFF, bytes[position + 1] != 0 else {
        position += 1
        continue
      }
      let marker = bytes[position + 1]
      if marker == 0xDA { return }
      // Markers without a length.
      if (0xD0...0xD9).contains(marker) || marker == 0x01 {
        position += 2
        continue
      }
      let length = Int(bytes[position + 2]) << 8 | Int(bytes[position + 3])
      let end = position + 2 + length
      guard length >= 2, end <= bytes.count else { return }
      let payload = bytes[position + 4..<end]
      if marker == 0xE1, payload.starts(with: exifMark), exif.count < Self.largestText {
        exif += payload.dropFirst(exif.isEmpty ? 0 : exifMark.count)
      } else if marker == 0xE1, payload.starts(with: xmpMark) {
        xmp = Array(payload.dropFirst(xmpMark.count))
      }
      position = end
    }
  }
}

// MARK: WebP

extension OrientationTags {
  /// From the first `EXIF` and `XMP ` chunks.
  fileprivate init(webp bytes: UnsafeRawBufferPointer) {
    var position = 12
    while position + 8 <= bytes.count {
      let size = Int(
        UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: position + 4, as: UInt32.self)))
      guard size <= bytes.count - position - 8 else { return }
      let name = bytes[position..<position + 4]
      let content = bytes[position + 8..<position + 8 + size].prefix(Self.largestText)
      if name.elementsEqual("EXIF".utf8), exif.isEmpty { exif = Array(content) }
      if name.elementsEqual("XMP ".utf8), xmp.isEmpty { xmp = Array(content) }
      position += 8 + size + size % 2
    }
  }
}

// MARK: PNG

extension OrientationTags {
  /// From `eXIf` chunks and texts, before or after the pixels; the last of each kind counts.
  fileprivate init(png bytes: UnsafeRawBufferPointer) {
    var profile: PNGText?
    var packet: PNGText?
    for chunk in PNGChunks(bytes) {
      if chunk.name == "eXIf" { exif = Array(chunk.content.prefix(Self.largestText)) }
      guard let text = PNGText(chunk) else { continue }
      switch text.keyword {
      case "exif" where chunk.name == "tEXt": exif = text.content(limit: Self.largestText)
      case "Raw profile type exif": profile = text
      case "XML:com.adobe.xmp": packet = text
      default: break
      }
    }
    if exif.isEmpty, let profile {
      exif = Self.hexadecimal(profile.content(limit: Self.largestText))
    }
    xmp = packet?.content(limit: Self.largestText) ?? []
  }

  /// A profile as ImageMagick writes it: an empty line, its kind, its size, then lines of digits.
  private static func hexadecimal(_ text: [UInt8]) -> [UInt8] {
    let lines = text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    var bytes: [UInt8] = []
    var high: UInt8?
    for character in lines.dropFirst(3).joined() where character > 0x20 {
      guard let digit = Character(UnicodeScalar(character)).hexDigitValue else { return [] }
      if let first = high {
        bytes.append(first << 4 | UInt8(digit))
        high = nil
      } else {
        high = UInt8(digit)
      }
    }
    return high == nil ? bytes : []
  }
}

/// Reads tag 0x0112 of the first directory of a TIFF structure.
private enum TIFFOrientation {
  private static let tag = 0x0112
  /// Bytes of a value of the whole-number types: SHORT, LONG, their signed forms, IFD and LONG8.
  private static let sizes = [3: 2, 4: 4, 8: 2, 9: 4, 13: 4, 16: 8]

  /// Nil where the structure is malformed or has no such tag; 1 where the tag holds no whole number.
  static func value(_ structure: [UInt8]) -> Int? {
    let mark = Array("Exif\0\0".utf8)
    var start = 0
    while start < 12, structure[start...].starts(with: mark) { start += mark.count }
    let bytes = Array(structure[start...])
    guard bytes.count >= 8, bytes[0] == bytes[1], Set(bytes[2..<4]) == [0, 42] else { return nil }
    guard [UInt8(ascii: "M"), UInt8(ascii: "I")].contains(bytes[0]) else { return nil }
    let isBigEndian = bytes[0] == UInt8(ascii: "M")
    func number(_ offset: Int, _ size: Int) -> Int {
      let digits = bytes[offset..<offset + size]
      let number: UInt64 =
        isBigEndian
        ? digits.reduce(0) { $0 << 8 | UInt64($1) }
        : digits.reversed().reduce(0) { $0 << 8 | UInt64($1) }
      return Int(clamping: number)
    }
    let directory = number(4, 4)
    guard directory <= bytes.count - 2 else { return nil }
    for index in 0..<number(directory, 2) {
      let entry = directory + 2 + index * 12
      guard entry + 12 <= bytes.count else { return nil }
      guard number(entry, 2) == tag else { continue }
      guard let size = sizes[number(entry + 2, 2)] else { return 1 }
      let count = number(entry + 4, 4)
      if count == 0 { continue }
      let offset = count * size <= 4 ? entry + 8 : number(entry + 8, 4)
      guard offset + count * size <= bytes.count else { continue }
      return number(offset, size)
    }
    return nil
  }
}
