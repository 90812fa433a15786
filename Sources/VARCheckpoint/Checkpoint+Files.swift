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

  /// The size of a file beside the shards, or nil where it is absent.
  public func byteCount(ofFile fileName: String) -> Int? {
    var status = stat()
    return stat(path(of: fileName), &status) == 0 ? Int(status.st_size) : nil
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

  static func readBytes(path: String) throws(CheckpointError) -> [UInt8] {
    let file = try InputFile(path: path)
    guard file.byteCount <= maximumSmallFileByteCount else {
      throw CheckpointError(
        .unreadable, path: path,
        "\(file.byteCount) bytes are more than such a file may have (\(maximumSmallFileByteCount))")
    }
    return try file.readBytes(count: file.byteCount)
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
