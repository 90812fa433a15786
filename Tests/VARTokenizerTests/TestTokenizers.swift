import CZstd
import VARJSON
import VARTestSupport
import VARTokenizer

/// The tokenizers of the fixtures, each imported once.
enum TestTokenizers {
  static let tiny = make { try Fixtures.bytes("tiny/tokenizer.json") }
  static let shapes = make { try Fixtures.bytes("tokenizers/shapes/tokenizer.json") }
  static let qwen2 = make { try decompress(Fixtures.bytes("tokenizers/qwen2/tokenizer.json.zst")) }

  struct Imported: Sendable {
    let tables: [UInt8]
    let tokenizer: Tokenizer
  }

  private static func make(_ read: () throws -> [UInt8]) -> Result<Imported, any Error> {
    Result {
      let tables = try TokenizerSource(tokenizerJSON: try read()).makeTables()
      return Imported(tables: tables, tokenizer: try Tokenizer(tables: tables))
    }
  }

  static func decompress(_ frame: [UInt8]) throws -> [UInt8] {
    let size = ZSTD_getFrameContentSize(frame, frame.count)
    guard size < 1 << 26 else { throw FixtureError("not a frame of known, sensible size") }
    let bytes = [UInt8](unsafeUninitializedCapacity: Int(size)) { buffer, count in
      count = ZSTD_decompress(buffer.baseAddress, buffer.count, frame, frame.count)
      if ZSTD_isError(count) != 0 { count = 0 }
    }
    guard bytes.count == Int(size) else { throw FixtureError("a damaged frame") }
    return bytes
  }
}

/// A recorded text with its ids.
struct EncodeCase {
  let text: String
  let ids: [Int32]

  static func read(_ value: JSONValue?) throws -> [EncodeCase] {
    guard let values = value?.arrayValue else { throw FixtureError("an array is expected") }
    return try values.map { value in
      guard let text = value["text"]?.stringValue else { throw FixtureError("no text") }
      return EncodeCase(text: text, ids: try value.ids("ids"))
    }
  }
}

extension JSONValue {
  func ids(_ key: String) throws -> [Int32] {
    guard let values = self[key]?.arrayValue else { throw FixtureError("no \(key)") }
    return try values.map {
      guard let id = $0.integerValue else { throw FixtureError("\(key) holds no ids") }
      return Int32(id)
    }
  }

  static func fixture(_ name: String) throws -> JSONValue {
    try JSONValue(parsing: try Fixtures.bytes(name))
  }
}

/// Whether two texts have the same bytes; `==` would accept other forms of the same characters.
func sameBytes(_ left: String, _ right: String) -> Bool { left.utf8.elementsEqual(right.utf8) }
