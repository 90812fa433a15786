import VARJSON

extension TokenizerSource {
  /// Reads `tokenizer.json`.
  ///
  /// `truncation` and `padding`, which a training may leave on, are ignored: a prompt is encoded whole and alone.
  /// - Throws: `tooLarge`, `invalidJSON`, `invalidMember`, `unsupported`, and what single entries
  ///   may be refused for.
  package init(tokenizerJSON bytes: [UInt8]) throws(TokenizerError) {
    self.init()
    let source = "tokenizer.json"
    let document = try Self.parse(bytes, source)
    try readPipeline(document, source)
    guard let model = document["model"] else {
      throw Self.invalid(source, "model", "an object is expected")
    }
    try checkModel(model, source)
    try readVocabulary(model["vocab"], source, "model.vocab", addedTokens: document["added_tokens"])
    try readMerges(model["merges"], source)
    if let tokens = document["added_tokens"], tokens != .null {
      guard let tokens = tokens.arrayValue else {
        throw Self.invalid(source, "added_tokens", "an array is expected")
      }
      for (index, token) in tokens.enumerated() {
        let place = "added_tokens[\(index)]"
        guard let id = token["id"]?.integerValue else {
          throw Self.invalid(source, place, "an integer id is expected")
        }
        try readAddedToken(token, id: id, source, place)
      }
    }
  }

  /// Reads `vocab.json` and `merges.txt`; added tokens come from the other files.
  package init(
    vocabularyJSON: [UInt8], mergesText: [UInt8]
  ) throws(TokenizerError) {
    self.init()
    let source = "vocab.json"
    try readVocabulary(try Self.parse(vocabularyJSON, source), source, "", addedTokens: nil)
    try readMerges(text: mergesText, "merges.txt")
  }

  /// Adds what `added_tokens_decoder` of `tokenizer_config.json` names.
  package mutating func addTokens(
    configurationJSON bytes: [UInt8]
  ) throws(TokenizerError) {
    let source = "tokenizer_config.json"
    guard let decoder = try Self.parse(bytes, source)["added_tokens_decoder"] else { return }
    guard let members = decoder.objectValue?.members else {
      throw Self.invalid(source, "added_tokens_decoder", "an object is expected")
    }
    for (key, token) in members {
      let place = "added_tokens_decoder.\(key)"
      guard let id = Int(key) else {
        throw Self.invalid(source, place, "the key is no id")
      }
      try readAddedToken(token, id: id, source, place)
    }
  }

  /// Adds what `added_tokens.json` names; tokens that no other file describes count as special.
  package mutating func addTokens(
    addedTokensJSON bytes: [UInt8]
  ) throws(TokenizerError) {
    let source = "added_tokens.json"
    guard let members = try Self.parse(bytes, source).objectValue?.members else {
      throw Self.invalid(source, "", "an object is expected")
    }
    for (content, value) in members {
      guard let id = value.integerValue else {
        throw Self.invalid(source, content, "an integer id is expected")
      }
      try addToken(StatedToken(content: content, id: id), in: source, at: content)
    }
  }

  private static func parse(
    _ bytes: [UInt8], _ source: String
  ) throws(TokenizerError) -> JSONValue {
    guard bytes.count <= maximumFileByteCount else {
      throw TokenizerError(
        .tooLarge, in: source, "\(bytes.count) bytes; at most \(maximumFileByteCount)")
    }
    do throws(JSONError) {
      return try JSONValue(parsing: bytes)
    } catch {
      let advice = error.code == .foreignContent ? "" : "; fetch the file again"
      throw TokenizerError(.invalidJSON, in: source, "\(error)\(advice)")
    }
  }

  private static func invalid(
    _ source: String, _ place: String, _ detail: String
  ) -> TokenizerError {
    TokenizerError(.invalidMember, in: source, at: place, detail)
  }

  private static func isAbsent(_ value: JSONValue?) -> Bool { value == nil || value == .null }

  private mutating func readPipeline(
    _ document: JSONValue, _ source: String
  ) throws(TokenizerError) {
    let normalizer = document["normalizer"]
    switch normalizer?["type"]?.stringValue {
    case "NFC": normalizes = true
    case nil where Self.isAbsent(normalizer): normalizes = false
    default:
      throw TokenizerError(
        .unsupported, in: source, at: "normalizer", "only NFC or none is implemented")
    }
    let steps = document["pre_tokenizer"]?["pretokenizers"]?.arrayValue ?? []
    guard document["pre_tokenizer"]?["type"]?.stringValue == "Sequence", steps.count == 2,
      steps[0]["type"]?.stringValue == "Split",
      steps[0]["pattern"]?["Regex"]?.stringValue == PreTokenizer.pattern,
      steps[0]["behavior"]?.stringValue == "Isolated", steps[0]["invert"]?.boolValue == false,
      steps[1]["type"]?.stringValue == "ByteLevel",
      steps[1]["add_prefix_space"]?.boolValue == false, steps[1]["use_regex"]?.boolValue == false
    else {
      throw TokenizerError(
        .unsupported, in: source, at: "pre_tokenizer", "only the splitting of Qwen2 is implemented")
    }
    guard document["decoder"]?["type"]?.stringValue == "ByteLevel" else {
      throw TokenizerError(
        .unsupported, in: source, at: "decoder", "only ByteLevel is implemented")
    }
  }

  private func checkModel(_ model: JSONValue, _ source: String) throws(TokenizerError) {
    guard model["type"]?.stringValue == "BPE" else {
      throw TokenizerError(.unsupported, in: source, at: "model.type", "only BPE is implemented")
    }
    for option in ["dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix"] {
      let value = model[option]
      guard Self.isAbsent(value) || value == .string("") else {
        throw TokenizerError(.unsupported, in: source, at: "model.\(option)", "not implemented")
      }
    }
    for option in ["byte_fallback", "ignore_merges"] {
      let place = "model.\(option)"
      guard try Self.flag(model[option], false, source, place) else { continue }
      throw TokenizerError(.unsupported, in: source, at: place, "not implemented")
    }
  }

  /// - Parameter fallback: where the value is absent or null.
  private static func flag(
    _ value: JSONValue?, _ fallback: Bool, _ source: String, _ place: String
  ) throws(TokenizerError) -> Bool {
    guard !isAbsent(value) else { return fallback }
    guard let flag = value?.boolValue else {
      throw invalid(source, place, "true or false is expected")
    }
    return flag
  }

  private mutating func readVocabulary(
    _ value: JSONValue?, _ source: String, _ place: String, addedTokens: JSONValue?
  ) throws(TokenizerError) {
    guard let members = value?.objectValue?.members else {
      throw Self.invalid(source, place, "an object of texts and ids is expected")
    }
    let added = Set((addedTokens?.arrayValue ?? []).compactMap { $0["content"]?.stringValue })
    for (entry, value) in members {
      guard let id = value.integerValue else {
        throw Self.invalid(source, "\(place)[\(entry)]", "an integer id is expected")
      }
      guard let bytes = ByteAlphabet.bytes(of: entry) else {
        if added.contains(entry) { continue }
        throw TokenizerError(
          .invalidEntry, in: source, at: "\(place)[\(entry)]",
          "a character that stands for no byte; this is no byte-level vocabulary")
      }
      try addEntry(bytes, id: id, in: source, at: "\(place)[\(entry)]")
    }
    for byte in UInt8.min...UInt8.max where ids[[byte]] == nil {
      throw TokenizerError(
        .missingByte, in: source, at: place, "byte \(byte) has no entry; every byte needs one")
    }
  }

  private mutating func readMerges(
    _ value: JSONValue?, _ source: String
  ) throws(TokenizerError) {
    guard let merges = value?.arrayValue else {
      throw Self.invalid(source, "model.merges", "an array is expected")
    }
    for (index, merge) in merges.enumerated() {
      if let text = merge.stringValue {
        try readMerge(text, source, "model.merges[\(index)]")
      } else if let parts = merge.arrayValue, parts.count == 2,
        let left = parts[0].stringValue, let right = parts[1].stringValue
      {
        try readMerge(left, right, source, "model.merges[\(index)]")
      } else {
        throw Self.invalid(source, "model.merges[\(index)]", "two texts are expected")
      }
    }
  }

  private mutating func readMerges(
    text: [UInt8], _ source: String
  ) throws(TokenizerError) {
    guard text.count <= Self.maximumFileByteCount else {
      throw TokenizerError(
        .tooLarge, in: source, "\(text.count) bytes; at most \(Self.maximumFileByteCount)")
    }
    if let foreign = ForeignContent(of: text) {
      throw TokenizerError(.invalidEntry, in: source, foreign.description)
    }
    let start = text.starts(with: ForeignContent.byteOrderMark) ? 3 : 0
    guard let string = String(validating: text[start...], as: UTF8.self) else {
      throw TokenizerError(.invalidEntry, in: source, "not UTF-8")
    }
    let newLine = Unicode.Scalar(0x0A as UInt8)
    let lines = string.unicodeScalars.split(separator: newLine, omittingEmptySubsequences: false)
    for (index, line) in lines.enumerated() {
      var line = Substring(line)
      if line.unicodeScalars.last?.value == 0x0D { line.unicodeScalars.removeLast() }
      if line.isEmpty || (index == 0 && line.hasPrefix("#version")) { continue }
      try readMerge(String(line), source, "line \(index + 1)")
    }
  }

  private mutating func readMerge(
    _ text: String, _ source: String, _ place: @autoclosure () -> String
  ) throws(TokenizerError) {
    let parts = text.unicodeScalars.split(separator: " ", omittingEmptySubsequences: false)
    guard parts.count == 2 else {
      throw TokenizerError(
        .invalidMerge, in: source, at: place(), "two parts with one blank between are expected")
    }
    try readMerge(Substring(parts[0]), Substring(parts[1]), source, place())
  }

  private mutating func readMerge(
    _ left: some StringProtocol, _ right: some StringProtocol, _ source: String,
    _ place: @autoclosure () -> String
  ) throws(TokenizerError) {
    guard let leftBytes = ByteAlphabet.bytes(of: left), !leftBytes.isEmpty,
      let rightBytes = ByteAlphabet.bytes(of: right), !rightBytes.isEmpty
    else {
      throw TokenizerError(
        .invalidMerge, in: source, at: place(), "an empty part, or a character for no byte")
    }
    try addMerge(leftBytes, rightBytes, in: source, at: place())
  }

  private mutating func readAddedToken(
    _ token: JSONValue, id: Int, _ source: String, _ place: String
  ) throws(TokenizerError) {
    guard let content = token["content"]?.stringValue else {
      throw Self.invalid(source, place, "a text named content is expected")
    }
    for option in ["single_word", "lstrip", "rstrip"] {
      guard try Self.flag(token[option], false, source, "\(place).\(option)") else { continue }
      throw TokenizerError(.unsupported, in: source, at: "\(place).\(option)", "not implemented")
    }
    let isSpecial = try Self.flag(token["special"], false, source, "\(place).special")
    let isNormalized = try Self.flag(
      token["normalized"], !isSpecial, source, "\(place).normalized")
    try addToken(
      StatedToken(content: content, id: id, isSpecial: isSpecial, isNormalized: isNormalized),
      in: source, at: place)
  }
}
