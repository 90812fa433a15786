/// Names what a file that is no picture of ours holds, by its first bytes.
enum ImageContent {
  private static let marks: [(offset: Int, bytes: StaticString, name: StaticString)] = [
    (0, "GIF8", "a GIF picture"),
    (8, "WEBP", "a WebP picture"),
    (0, "BM", "a BMP picture"),
    (0, "II*\0", "a TIFF picture"),
    (0, "MM\0*", "a TIFF picture"),
    (4, "ftypavif", "an AVIF picture"),
    (4, "ftypheic", "a HEIC picture"),
    (4, "ftyp", "an ISO media file"),
    (0, "\0\0\0\u{C}jP", "a JPEG 2000 picture"),
    (0, "%PDF", "a PDF document"),
    (0, "PK\u{3}\u{4}", "a ZIP archive"),
    (0, "<svg", "an SVG drawing"),
    (0, "<?xml", "an XML document"),
    (0, "<", "an HTML or XML document"),
    (1, "PNG", "a damaged PNG signature"),
  ]

  /// For example `a GIF picture (starts with 47 49 46 38)`.
  static func describe(_ bytes: UnsafeRawBufferPointer) -> String {
    let start = bytes.prefix(8).map(hexadecimal).joined(separator: " ")
    for mark in marks {
      let matches = mark.bytes.withUTF8Buffer { expected in
        mark.offset + expected.count <= bytes.count
          && expected.indices.allSatisfy { bytes[mark.offset + $0] == expected[$0] }
      }
      if matches { return "the file is \(mark.name) (starts with \(start))" }
    }
    return "the file starts with \(start)"
  }

  private static func hexadecimal(_ byte: UInt8) -> String {
    let digits = String(byte, radix: 16, uppercase: true)
    return digits.count == 1 ? "0" + digits : digits
  }
}
