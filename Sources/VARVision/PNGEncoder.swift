import CImageIO

/// Writes 8-bit RGB PNG files with text chunks.
package enum PNGEncoder {
  /// The bytes of a PNG file.
  ///
  /// Texts stand before the pixels: ASCII as `tEXt`, anything else as `iTXt` in UTF-8. A keyword has 1...79 printable
  /// ASCII characters; a malformed keyword or a NUL in a text throws ``ImageError/Code/invalidText``.
  ///
  /// - Parameter isQuick: whether time counts more than the size of the file.
  package static func encode(
    _ image: RGBImage, text: [(key: String, value: String)] = [], isQuick: Bool = false
  ) throws(ImageError) -> [UInt8] {
    // One buffer holds every string, NUL-terminated, so that the pointers live as long as the call.
    var storage: [CChar] = []
    var entries: [(keyword: Int, text: Int, isInternational: Bool)] = []
    for (key, value) in text {
      try check(key: key, value: value)
      let keyword = storage.count
      storage.append(contentsOf: key.utf8CString)
      let start = storage.count
      storage.append(contentsOf: value.utf8CString)
      entries.append((keyword, start, !value.utf8.allSatisfy { $0 < 0x80 }))
    }
    return try EncodedFile.bytes("PNG") { output, byteCount, failure in
      storage.withUnsafeBufferPointer { storage in
        let texts = entries.map {
          cimage_text(
            keyword: storage.baseAddress! + $0.keyword, text: storage.baseAddress! + $0.text,
            international: $0.isInternational ? 1 : 0)
        }
        return cimage_encode_png(
          image.pixels, UInt32(image.width), UInt32(image.height), texts, texts.count,
          isQuick ? 1 : 0, &output, &byteCount, &failure)
      }
    }
  }

  /// Writes a PNG file atomically: beside `path`, flushed to the disk, renamed.
  package static func write(
    _ image: RGBImage, text: [(key: String, value: String)] = [], to path: String
  ) throws(ImageError) {
    do throws(ImageError) {
      try ImageFile.write(encode(image, text: text), to: path)
    } catch { throw error.at(path) }
  }

  private static func check(key: String, value: String) throws(ImageError) {
    let isPrintable = key.utf8.allSatisfy { (0x20...0x7E).contains($0) }
    let isTrimmed = key.utf8.first != 0x20 && key.utf8.last != 0x20 && !hasDoubleSpace(key)
    guard (1...79).contains(key.utf8.count), isPrintable, isTrimmed else {
      throw ImageError(
        .invalidText,
        "PNG keyword \"\(key)\": 1 to 79 printable ASCII characters, no outer or double spaces")
    }
    guard !value.utf8.contains(0) else {
      throw ImageError(.invalidText, "PNG text \"\(key)\" holds a NUL character")
    }
  }

  private static func hasDoubleSpace(_ key: String) -> Bool {
    zip(key.utf8, key.utf8.dropFirst()).contains { $0 == 0x20 && $1 == 0x20 }
  }
}
