import VARJSON

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

extension Checkpoint {
  /// A tokenizer of 151,643 entries takes 7 MB; nothing beside the shards is larger.
  static let maximumSmallFileByteCount = 256 << 20

  /// The path of a file beside the shards.
  public func path(of fileName: String) -> String { "\(directory)/\(fileName)" }

  /// The bytes of a file beside the shards, or nil where it is absent.
  public func bytes(ofFile fileName: String) throws(CheckpointError) -> [UInt8]? {
    let path = path(of: fileName)
    guard access(path, F_OK) == 0 else { return nil }
    return try Self.readBytes(path: path)
  }

  /// A JSON file beside the shards, or nil where it is absent.
  public func json(ofFile fileName: String) throws(CheckpointError) -> JSONValue? {
    let path = path(of: fileName)
    guard access(path, F_OK) == 0 else { return nil }
    return try Self.readJSON(path: path)
  }

  /// `config.json`, which every checkpoint has.
  public func configuration() throws(CheckpointError) -> JSONValue {
    try Self.readJSON(path: path(of: "config.json"))
  }

  /// The chat template's text: `chat_template.json`, else `tokenizer_config.json`; nil where neither has one.
  public func chatTemplate() throws(CheckpointError) -> String? {
    for name in ["chat_template.json", "tokenizer_config.json"] {
      if let text = try json(ofFile: name)?["chat_template"]?.stringValue { return text }
    }
    return nil
  }

  /// The licence's text, or nil where the checkpoint comes without.
  public func licence() throws(CheckpointError) -> [UInt8]? {
    for name in ["LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE"] {
      if let text = try bytes(ofFile: name) { return text }
    }
    return nil
  }

  /// Calls `body` with a shard's whole content in pieces of at most 8 MiB, whose pages are given back after it.
  public func withShardPieces(
    _ shardName: String, _ body: (UnsafeRawBufferPointer) -> Void
  ) throws(CheckpointError) {
    let pieceByteCount = 8 << 20
    let file = try MappedFile(path: path(of: shardName))
    var position = 0
    while position < file.bytes.count {
      let end = min(position + pieceByteCount, file.bytes.count)
      let piece = UnsafeRawBufferPointer(rebasing: file.bytes[position..<end])
      body(piece)
      file.discard(piece)
      position = end
    }
  }

  static func readBytes(path: String) throws(CheckpointError) -> [UInt8] {
    let file = try MappedFile(path: path)
    guard file.bytes.count <= maximumSmallFileByteCount else {
      throw CheckpointError(
        .unreadable, path: path,
        "\(file.bytes.count) bytes are more than such a file may have (\(maximumSmallFileByteCount))"
      )
    }
    return [UInt8](file.bytes)
  }

  static func readJSON(path: String) throws(CheckpointError) -> JSONValue {
    let bytes = try readBytes(path: path)
    do {
      return try JSONValue(parsing: bytes)
    } catch {
      throw CheckpointError(.malformedJSON, path: path, "\(error)")
    }
  }
}
