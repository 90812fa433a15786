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

  /// Calls `body` with a shard's whole content, in pieces of at most 4 MiB that live only during the call.
  ///
  /// The pieces are read, not mapped: a pass over the whole file costs no page faults.
  public func withShardPieces(
    _ shardName: String, _ body: (UnsafeRawBufferPointer) -> Void
  ) throws(CheckpointError) {
    let path = path(of: shardName)
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw CheckpointError(
        .unreadable, path: path, "cannot be opened: \(String(cString: strerror(errno)))")
    }
    defer { close(descriptor) }
    posix_fadvise(descriptor, 0, 0, POSIX_FADV_SEQUENTIAL)
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 4 << 20, alignment: 64)
    defer { buffer.deallocate() }
    while true {
      let count = read(descriptor, buffer.baseAddress, buffer.count)
      if count == 0 { return }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else {
        throw CheckpointError(
          .unreadable, path: path, "cannot be read: \(String(cString: strerror(errno)))")
      }
      body(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
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
