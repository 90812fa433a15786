import VARJSON

/// Names what a file that is no picture of ours holds, by its first bytes.
enum ImageContent {
  private struct Mark {
    let offset: Int
    let bytes: StaticString
    let name: StaticString
    /// What to do about it.
    let advice: StaticString

    init(
      _ offset: Int, _ bytes: StaticString, _ name: StaticString,
      _ advice: StaticString = "convert it to PNG or JPEG"
    ) {
      self.offset = offset
      self.bytes = bytes
      self.name = name
      self.advice = advice
    }

    func matches(_ content: UnsafeRawBufferPointer) -> Bool {
      bytes.withUTF8Buffer { expected in
        offset + expected.count <= content.count
          && expected.indices.allSatisfy { content[offset + $0] == expected[$0] }
      }
    }
  }

  private static let marks = [
    Mark(0, "GIF8", "a GIF picture"),
    Mark(0, "BM", "a BMP picture"),
    Mark(0, "II*\0", "a TIFF picture"),
    Mark(0, "MM\0*", "a TIFF picture"),
    Mark(0, "II+\0", "a TIFF picture"),
    Mark(0, "MM\0+", "a TIFF picture"),
    Mark(4, "ftypavif", "an AVIF picture"),
    Mark(4, "ftypavis", "an AVIF picture"),
    Mark(4, "ftyphei", "a HEIC picture"),
    Mark(4, "ftyphev", "a HEIC picture"),
    Mark(4, "ftypmif1", "a HEIF picture"),
    Mark(4, "ftypmsf1", "a HEIF picture"),
    Mark(4, "ftypcrx", "a camera's raw picture"),
    Mark(4, "ftyp", "a video", "save one frame of it as PNG or JPEG"),
    Mark(0, "\0\0\0\u{C}jP", "a JPEG 2000 picture"),
    Mark(0, "\0\0\0\u{C}JXL", "a JPEG XL picture"),
    Mark(0, "8BPS", "a Photoshop picture"),
    Mark(0, "gimp xcf", "a GIMP picture"),
    Mark(0, "FUJIFILMCCD-RAW", "a camera's raw picture"),
    Mark(0, "qoif", "a QOI picture"),
    Mark(0, "\0\0\u{1}\0", "a Windows icon"),
    Mark(0, "P5\n", "a PGM picture"),
    Mark(0, "P6\n", "a PPM picture"),
    Mark(0, "%PDF", "a PDF document", "save a page of it as PNG or JPEG"),
    Mark(0, "PK\u{3}\u{4}", "a ZIP archive", "unpack it"),
    Mark(1, "PNG", "a damaged PNG signature", "copy it again"),
  ]

  /// For example `the file is a GIF picture (starts with 47 49 46 38), none of PNG, ...; convert it to PNG or JPEG`.
  static func describe(_ bytes: UnsafeRawBufferPointer) -> String {
    if let content = ForeignContent(of: bytes), content != .webPage { return "the file \(content)" }
    let start = bytes.prefix(8).map(hexadecimal).joined(separator: " ")
    let (name, advice) = kind(bytes)
    let what = name.map { "is \($0) (starts with \(start))" } ?? "starts with \(start)"
    return "the file \(what), none of PNG, JPEG and WebP; \(advice)"
  }

  private static func kind(_ bytes: UnsafeRawBufferPointer) -> (name: String?, advice: String) {
    // JPEG XL's bare codestream starts with two bytes that are no text.
    let conversion = "convert it to PNG or JPEG"
    if bytes.starts(with: [0xFF, 0x0A]) { return ("a JPEG XL picture", conversion) }
    if let mark = marks.first(where: { $0.matches(bytes) }) {
      return ("\(mark.name)", "\(mark.advice)")
    }
    let text = bytes.prefix(4096).drop { [0x20, 0x09, 0x0A, 0x0D, 0xEF, 0xBB, 0xBF].contains($0) }
    guard text.first == UInt8(ascii: "<") else { return (nil, conversion) }
    if contains(text, "<svg") { return ("an SVG drawing", "render it as PNG") }
    return ("an HTML or XML document", "download the picture itself")
  }

  private static func contains(
    _ text: Slice<UnsafeRawBufferPointer>, _ word: StaticString
  ) -> Bool {
    word.withUTF8Buffer { word in
      text.indices.contains { text[$0...].starts(with: word) }
    }
  }

  private static func hexadecimal(_ byte: UInt8) -> String {
    let digits = String(byte, radix: 16, uppercase: true)
    return digits.count == 1 ? "0" + digits : digits
  }
}
