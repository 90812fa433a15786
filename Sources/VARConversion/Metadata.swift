import VARCheckpoint
import VARJSON
import VARKernels
import VARModels
import VARTokenizer
import VQ4Format

/// What a file carries besides weights. The provenance comes last, since it is known when all is read.
struct Metadata {
  private(set) var attachments: [(name: String, bytes: [UInt8], inPlace: Bool)] = []

  init(of conversion: Conversion) throws {
    let checkpoint = conversion.checkpoint
    let configuration = conversion.configuration
    add("configuration", configuration.json)
    attachments.append(("tokenizer", try Self.tokenizer(checkpoint, configuration), true))
    let generation = try GenerationDefaults(
      config: try checkpoint.json(ofFile: "generation_config.json"),
      endOfSequence: configuration.specialTokens.endOfSequence)
    add("generation_configuration", generation.json)
    add(
      "image_preprocessing",
      try ImagePreprocessing.json(
        of: try checkpoint.json(ofFile: ImagePreprocessing.fileName),
        vision: configuration.vision))
    if let template = try checkpoint.chatTemplate() {
      attachments.append(("chat_template", Array(template.utf8), false))
    }
    attachments.append(("recipe", Array(conversion.options.recipe.text.utf8), false))
    if let licence = try checkpoint.licence() { attachments.append(("licence", licence, false)) }
  }

  private mutating func add(_ name: String, _ value: JSONValue) {
    attachments.append((name, Array(value.text.utf8), false))
  }

  /// The tokenizer's flat tables, checked against the model's ids.
  private static func tokenizer(
    _ checkpoint: Checkpoint, _ configuration: VARGPTConfiguration
  ) throws -> [UInt8] {
    var source = try TokenizerSource(directory: checkpoint.directory)
    if let tokens = try ImageTokens(added: checkpoint) {
      for (name, id) in tokens.ids { try source.addSpecialToken(name, id: id) }
    }
    let tables = try source.makeTables()
    let tokenizer = try Tokenizer(tables: tables)
    let rows = configuration.languageModel.vocabSize
    guard tokenizer.vocabularySize <= rows else {
      throw ConversionError(
        .invalidMetadata, "tokenizer",
        "has \(tokenizer.vocabularySize) ids, the embedding \(rows) rows; "
          + "they do not belong together")
    }
    let name = "<|image_gen_start|>"
    let expected = configuration.specialTokens.imageGenStart
    if let found = tokenizer.tokenID(of: name), Int(found) != expected {
      throw ConversionError(
        .invalidMetadata, "tokenizer",
        "gives \(name) the id \(found), config.json says \(expected); they do not belong together")
    }
    return tables
  }

  /// Bytes of the attachments, and room for the provenance.
  var byteCount: Int { attachments.reduce(1 << 16) { $0 + $1.bytes.count } }

  /// At most the bytes of the files that attachments are made of, and then some.
  static func estimatedByteCount(of checkpoint: Checkpoint) -> Int {
    let names = [
      "tokenizer.json", "vocab.json", "merges.txt", "added_tokens.json", "tokenizer_config.json",
      "chat_template.json", "LICENSE",
    ]
    return names.reduce(1 << 20) { $0 + (checkpoint.byteCount(ofFile: $1) ?? 0) }
  }

  /// The converter, and the hash of every shard, made of those of its parts.
  ///
  /// - Parameter pieces: hashes of the pieces of every tensor of the checkpoint, by name.
  static func provenance(
    _ checkpoint: Checkpoint, pieces: [String: [VQ4Hash]]
  ) throws -> [UInt8] {
    var shards: [JSONValue] = []
    for shard in checkpoint.shards {
      let hash = try shard.digest(pieces: pieces)
      shards.append(
        .object(
          JSONObject([
            ("file", .string(shard.name)), ("bytes", .integer(shard.byteCount)),
            ("pieces_xxh3_128", .string(hash.description)),
          ])))
    }
    let document = JSONValue.object(
      JSONObject([
        ("converter", .string("varconvert \(PackageVersion.text)")), ("shards", .array(shards)),
      ]))
    return Array(document.text.utf8)
  }
}

/// `preprocessor_config.json`, checked and with every value stated (ARCHITECTURE 6).
enum ImagePreprocessing {
  static let fileName = "preprocessor_config.json"

  static func json(
    of source: JSONValue?, vision: VisionConfiguration
  ) throws(ConversionError) -> JSONValue {
    func pixels(_ key: String, _ fallback: Int) throws(ConversionError) -> Int {
      guard let value = source?[key] ?? source?["size"]?[key] else { return fallback }
      guard let count = value.integerValue, (1...1 << 30).contains(count) else {
        throw fault("\(key) is no number of pixels: \(value.text)")
      }
      return count
    }
    func colours(_ key: String, _ fallback: [Double]) throws(ConversionError) -> JSONValue {
      guard let value = source?[key] else { return .array(fallback.map { .number($0) }) }
      let numbers = value.arrayValue?.compactMap(\.doubleValue) ?? []
      guard numbers.count == 3, value.arrayValue?.count == 3,
        key == "image_mean" || numbers.allSatisfy({ $0 > 0 })
      else { throw fault("\(key) must be three numbers") }
      return .array(numbers.map { .number($0) })
    }
    func agree(_ key: String, _ expected: Int) throws(ConversionError) {
      guard let value = source?[key], value.integerValue != expected else { return }
      throw fault("\(key) is \(value.text), config.json says \(expected)")
    }
    try agree("patch_size", vision.patchSize)
    try agree("merge_size", vision.spatialMergeSize)
    try agree("temporal_patch_size", vision.temporalPatchSize)
    // 3 is Pillow's number for bicubic.
    try agree("resample", 3)
    let least = try pixels("min_pixels", 56 * 56)
    let most = try pixels("max_pixels", 28 * 28 * 1280)
    guard least <= most else { throw fault("min_pixels \(least) is above max_pixels \(most)") }
    return .object(
      JSONObject([
        ("patch_size", .integer(vision.patchSize)),
        ("merge_size", .integer(vision.spatialMergeSize)),
        ("min_pixels", .integer(least)),
        ("max_pixels", .integer(most)),
        ("image_mean", try colours("image_mean", [0.48145466, 0.4578275, 0.40821073])),
        ("image_std", try colours("image_std", [0.26862954, 0.26130258, 0.27577711])),
        ("resample", .integer(3)),
      ]))
  }

  private static func fault(_ detail: String) -> ConversionError {
    ConversionError(.invalidMetadata, fileName, detail)
  }
}
