import VARCheckpoint
import VARTokenizer

extension FuzzTarget {
  /// The flat tables of a tokenizer, as a `.vq4` file holds them.
  static let tokenizerTables = FuzzTarget(
    "tokenizer-tables",
    files: { [FuzzFile("tokenizer.tables", $0)] },
    read: { readTexts(try Tokenizer(tables: $0)) },
    change: { input, change in
      // The header's counts decide on the size.
      change.happens(onceIn: 8) ? change.mutate(input, change.capacity) : change.inPlace(input)
    })

  /// The tokenizer's files of a checkpoint, its chat template among them.
  static let tokenizer = FuzzTarget(
    "tokenizer",
    files: { Fields.files($0, named: tokenizerFiles) },
    read: { input in
      try FuzzFolder.with(Fields.files(input, named: tokenizerFiles)) { folder in
        folder.add(FuzzFile("model.safetensors", emptySafetensors))
        let template = Result { try Checkpoint(path: folder.path).chatTemplate() }
        let source = try TokenizerSource(directory: folder.path)
        _ = source.addedTokenID(of: "<|im_end|>")
        readTexts(try Tokenizer(tables: source.makeTables()))
        _ = try template.get()
      }
    },
    change: { input, change in
      var fields = Fields.split(input, count: tokenizerFiles.count)
      let index = change.index(below: fields.count)
      let field = fields[index] ?? []
      let capacity = max(1, change.capacity - input.count + field.count - fields.count)
      fields[index] = change.mutate(field, capacity)
      return Fields.join(fields)
    })

  static let tokenizerFiles = [
    "tokenizer.json", "vocab.json", "merges.txt", "tokenizer_config.json", "added_tokens.json",
    "chat_template.jinja", "chat_template.json",
  ]

  /// A file without tensors.
  private static let emptySafetensors: [UInt8] = [2, 0, 0, 0, 0, 0, 0, 0] + Array("{}".utf8)

  /// Characters of every length and class, and such that are composed.
  private static let texts = [
    "Hello, world! It's 2026;  draw\n\n a   circle\u{301} \u{212B}e\u{323}\u{307} \u{AC00}\u{11A8}",
    "<|im_start|>user\nWhat is it?<|im_end|><|vision_start|><|image_pad|>",
    String(repeating: "a", count: 300) + "\u{1F9D1}\u{200D}\u{1F680}\u{0}\u{FFFD}",
  ]

  /// Text to ids and back.
  static func readTexts(_ tokenizer: Tokenizer) {
    for text in texts {
      for handling in [Tokenizer.AddedTokenHandling.recognize, .plainText] {
        let ids = tokenizer.encode(text, addedTokens: handling)
        _ = tokenizer.decode(ids, skipSpecial: true)
      }
    }
    var decoder = StreamingDecoder(tokenizer)
    for id in -1...Int32(min(tokenizer.vocabularySize, 1 << 12)) {
      _ = tokenizer.isSpecial(id)
      _ = decoder.append(id)
    }
    _ = decoder.finish()
    for name in ["<|im_end|>", "", "a"] { _ = tokenizer.tokenID(of: name) }
  }
}
