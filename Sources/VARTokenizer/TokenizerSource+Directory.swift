#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

extension TokenizerSource {
  /// Reads the tokenizer of a checkpoint folder.
  ///
  /// `tokenizer.json` is preferred, else `vocab.json` with `merges.txt`. Tokens that
  /// `tokenizer_config.json` or `added_tokens.json` name in addition are added.
  /// - Throws: `unreadableFile`, and what the readers of the single files throw.
  public init(directory: String) throws(TokenizerError) {
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
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      if errno == ENOENT { return nil }
      throw TokenizerError(.unreadableFile, in: path, "cannot be opened (error \(errno))")
    }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      throw TokenizerError(.unreadableFile, in: path, "no regular file")
    }
    guard status.st_size <= maximumFileByteCount else {
      throw TokenizerError(
        .tooLarge, in: path, "\(status.st_size) bytes; at most \(maximumFileByteCount)")
    }
    let count = Int(status.st_size)
    var filled = 0
    let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
      while filled < count {
        let result = Self.readSome(descriptor, buffer.baseAddress! + filled, count - filled)
        if result <= 0 { break }
        filled += result
      }
      initialized = filled
    }
    guard filled == count else {
      throw TokenizerError(.unreadableFile, in: path, "only \(filled) of \(count) bytes came")
    }
    return bytes
  }

  private static func readSome(
    _ descriptor: Int32, _ target: UnsafeMutablePointer<UInt8>, _ count: Int
  ) -> Int {
    while true {
      #if canImport(Glibc)
        let result = Glibc.read(descriptor, target, count)
      #elseif canImport(Musl)
        let result = Musl.read(descriptor, target, count)
      #else
        let result = Darwin.read(descriptor, target, count)
      #endif
      if result >= 0 || errno != EINTR { return result }
    }
  }
}
