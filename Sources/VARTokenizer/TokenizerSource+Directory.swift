import VARSystem

extension TokenizerSource {
  /// Reads the tokenizer of a checkpoint folder.
  ///
  /// `tokenizer.json` is preferred, else `vocab.json` with `merges.txt`. Tokens that
  /// `tokenizer_config.json` or `added_tokens.json` name in addition are added.
  /// - Throws: `unreadableFile`, and what the readers of the single files throw.
  package init(directory: String) throws(TokenizerError) {
    let path = directory.hasSuffix("/") ? directory : directory + "/"
    if let document = try Self.read(path, "tokenizer.json") {
      try self.init(tokenizerJSON: document)
    } else if let vocabulary = try Self.read(path, "vocab.json"),
      let merges = try Self.read(path, "merges.txt")
    {
      try self.init(vocabularyJSON: vocabulary, mergesText: merges)
    } else {
      throw TokenizerError(
        .unreadableFile, in: directory,
        "neither tokenizer.json nor vocab.json with merges.txt is there; name a model folder")
    }
    if let configuration = try Self.read(path, "tokenizer_config.json") {
      try addTokens(configurationJSON: configuration)
    }
    if let added = try Self.read(path, "added_tokens.json") {
      try addTokens(addedTokensJSON: added)
    }
  }

  /// The bytes of a file; `nil` if there is none of that name.
  private static func read(
    _ directory: String, _ name: String
  ) throws(TokenizerError) -> [UInt8]? {
    let path = directory + name
    let file: OpenFile
    do throws(SystemError) {
      file = try OpenFile(path, .reading)
    } catch {
      if error.isMissing { return nil }
      throw TokenizerError(.unreadableFile, in: path, "cannot be opened (error \(error.code))")
    }
    guard let status = try? file.status(), status.kind == .regular else {
      throw TokenizerError(.unreadableFile, in: path, "no regular file")
    }
    let count = status.byteCount
    guard count <= maximumFileByteCount else {
      throw TokenizerError(.tooLarge, in: path, "\(count) bytes; at most \(maximumFileByteCount)")
    }
    let bytes = (try? file.bytes(at: 0, count: count)) ?? []
    guard bytes.count == count else {
      throw TokenizerError(
        .unreadableFile, in: path, "only \(bytes.count) of \(count) bytes came")
    }
    return bytes
  }
}
