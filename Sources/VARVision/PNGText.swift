import CImageIO

/// A text chunk of a PNG file whose content is not inflated yet.
struct PNGText {
  let keyword: String
  private let isCompressed: Bool
  private let stored: Slice<UnsafeRawBufferPointer>

  /// Nil for chunks that hold no text, and for malformed ones.
  init?(_ chunk: PNGChunks.Chunk) {
    let bytes = chunk.content
    guard ["tEXt", "zTXt", "iTXt"].contains(chunk.name), let end = bytes.firstIndex(of: 0) else {
      return nil
    }
    keyword = String(decoding: bytes[..<end], as: UTF8.self)
    var rest = bytes[bytes.index(after: end)...]
    switch chunk.name {
    case "tEXt": isCompressed = false
    case "zTXt":
      guard rest.popFirst() == 0 else { return nil }
      isCompressed = true
    default:
      // Flag, method, language, translated keyword.
      guard let flag = rest.popFirst(), let method = rest.popFirst(), flag == 0 || method == 0
      else { return nil }
      isCompressed = flag != 0
      for _ in 0..<2 {
        guard let end = rest.firstIndex(of: 0) else { return nil }
        rest = rest[rest.index(after: end)...]
      }
    }
    stored = rest
  }

  /// Empty where it is damaged or longer than the limit, in bytes.
  func content(limit: Int) -> [UInt8] {
    guard isCompressed else { return stored.count > limit ? [] : Array(stored) }
    let source = UnsafeRawBufferPointer(rebasing: stored).bindMemory(to: UInt8.self)
    return [UInt8](unsafeUninitializedCapacity: limit) { target, count in
      count = max(0, cimage_inflate(source.baseAddress, source.count, target.baseAddress, limit))
    }
  }
}

/// The texts of a PNG file, as ``PNGEncoder`` wrote them.
package enum PNGTexts {
  /// Bytes of a text at most; longer ones are left out.
  private static let largestText = 1 << 20

  /// Whether bytes begin as a PNG file does.
  package static func isPNG(_ bytes: [UInt8]) -> Bool { bytes.starts(with: PNGChunks.signature) }

  /// Texts under some keywords, in the order of the file; what is no UTF-8 is left out.
  package static func read(
    _ bytes: [UInt8], keywords: Set<String>
  ) -> [(key: String, value: String)] {
    guard isPNG(bytes) else { return [] }
    return bytes.withUnsafeBytes { buffer in
      PNGChunks(buffer).compactMap { chunk in
        guard let text = PNGText(chunk), keywords.contains(text.keyword),
          let value = String(validating: text.content(limit: largestText), as: UTF8.self)
        else { return nil }
        return (text.keyword, value)
      }
    }
  }
}
