import CImageIO
import VARJSON

/// Writes baseline JPEG files with texts in a comment.
package enum JPEGEncoder {
  /// Where none is named: drawings keep their edges, photographs take a sixth of a PNG.
  package static let defaultQuality = 90

  /// The bytes of a JPEG file.
  ///
  /// Colours are not subsampled: drawings have sharp edges between saturated colours, which halved colours would smear.
  /// The texts stand before the pixels as one JSON object in a comment; what is longer than a comment segment can hold,
  /// 65,533 bytes, goes on in the next one. The same picture, quality and texts give the same bytes.
  ///
  /// - Parameter quality: 1 to 100, libjpeg's scale; others throw ``ImageError/Code/invalidSettings``.
  package static func encode(
    _ image: RGBImage, quality: Int = defaultQuality, text: [(key: String, value: String)] = []
  ) throws(ImageError) -> [UInt8] {
    guard (1...100).contains(quality) else {
      throw ImageError(.invalidSettings, "JPEG quality \(quality), expected 1...100")
    }
    var comment = text.isEmpty ? "" : comment(text)
    return try EncodedFile.bytes("JPEG") { output, byteCount, failure in
      comment.withUTF8 { bytes in
        bytes.withMemoryRebound(to: CChar.self) { bytes in
          cimage_encode_jpeg(
            image.pixels, UInt32(image.width), UInt32(image.height), Int32(quality),
            bytes.baseAddress, bytes.count, &output, &byteCount, &failure)
        }
      }
    }
  }

  /// Writes a JPEG file atomically: beside `path`, flushed to the disk, renamed.
  package static func write(
    _ image: RGBImage, quality: Int = defaultQuality, text: [(key: String, value: String)] = [],
    to path: String
  ) throws(ImageError) {
    do throws(ImageError) {
      try ImageFile.write(encode(image, quality: quality, text: text), to: path)
    } catch { throw error.at(path) }
  }

  private static func comment(_ text: [(key: String, value: String)]) -> String {
    JSONValue.object(JSONObject(text.map { ($0.key, .string($0.value)) })).text
  }
}

/// Takes over what an encoder of the C library made.
enum EncodedFile {
  /// - Parameter encode: gets the pointer and the count to set, and the failure; returns 0 for success.
  static func bytes(
    _ kind: String,
    _ encode: (inout UnsafeMutablePointer<UInt8>?, inout Int, inout cimage_error) -> Int32
  ) throws(ImageError) -> [UInt8] {
    var output: UnsafeMutablePointer<UInt8>?
    var byteCount = 0
    var failure = cimage_error()
    let code = encode(&output, &byteCount, &failure)
    defer { cimage_free(output) }
    guard code == 0, let output else {
      let reason = withUnsafeBytes(of: failure.text) {
        String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
      }
      let isMemory = Int(code) == CIMAGE_OUT_OF_MEMORY
      throw ImageError(
        isMemory ? .outOfMemory : .unsupported,
        "the picture cannot be written as \(kind): \(reason)")
    }
    return Array(UnsafeBufferPointer(start: output, count: byteCount))
  }
}
