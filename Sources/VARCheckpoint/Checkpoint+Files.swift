import VARJSON
import VARSystem

extension Checkpoint {
  /// A tokenizer of 151,643 entries takes up to 11 MB; nothing beside the shards is larger.
  static let maximumSmallFileByteCount = 16 << 20

  /// The path of a file beside the shards.
  package func path(of fileName: String) -> String { "\(directory)/\(fileName)" }

  /// The bytes of a file beside the shards, or nil where it is absent.
  package func bytes(ofFile fileName: String) throws(CheckpointError) -> [UInt8]? {
    let path = path(of: fileName)
    guard FileTree.exists(path) else { return nil }
    return try Self.readBytes(path: path)
  }

  /// The shards, wherever they are, and the small files of the checkpoint's folder. Adapters and recipes are not among
  /// them: no writer takes such a file for its own.
  ///
  /// - Parameter names: files of the folder that are left out.
  package func fileIdentities(besides names: Set<String>) -> Set<FileStatus.Identity> {
    // Every name that is read here has one of these.
    let suffixes = [".json", ".jinja", ".txt", ".md", "LICENSE", "LICENCE"]
    let beside = FileTree.names(in: directory)
      .filter { name in !names.contains(name) && suffixes.contains { name.hasSuffix($0) } }
      .compactMap { FileStatus(path(of: $0)) }.filter { $0.kind == .regular }
    return Set(shards.map(\.file.identity)).union(beside.map(\.identity))
  }

  /// The size of a file beside the shards, or nil where it is absent.
  package func byteCount(ofFile fileName: String) -> Int? {
    FileStatus(path(of: fileName))?.byteCount
  }

  /// A JSON file beside the shards, or nil where it is absent.
  package func json(ofFile fileName: String) throws(CheckpointError) -> JSONValue? {
    let path = path(of: fileName)
    guard FileTree.exists(path) else { return nil }
    return try Self.readJSON(path: path)
  }

  /// `config.json`, which every checkpoint has.
  package func configuration() throws(CheckpointError) -> JSONValue {
    try Self.readJSON(path: path(of: "config.json"))
  }

  /// The chat template's text: that of `chat_template.jinja`, else of `chat_template.json`, else of
  /// `tokenizer_config.json`; nil where none has one. Of several named ones it is `default`.
  package func chatTemplate() throws(CheckpointError) -> String? {
    let name = "chat_template.jinja"
    if var bytes = try bytes(ofFile: name) {
      if bytes.starts(with: ForeignContent.byteOrderMark) { bytes.removeFirst(3) }
      let foreign = ForeignContent(of: bytes)
      guard foreign == nil, let text = String(validating: bytes, as: UTF8.self) else {
        throw CheckpointError(
          .unsupportedFormat, path: path(of: name), foreign?.description ?? "is not UTF-8")
      }
      return text
    }
    for name in ["chat_template.json", "tokenizer_config.json"] {
      let template = try json(ofFile: name)?["chat_template"]
      if let text = template?.stringValue { return text }
      let named = template?.arrayValue?.first { $0["name"]?.stringValue == "default" }
      if let text = named?["template"]?.stringValue { return text }
    }
    return nil
  }

  /// The licence's text, or nil where the checkpoint comes without.
  package func licence() throws(CheckpointError) -> [UInt8]? {
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
    try HeaderMemory.require(file.byteCount, in: path)
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
