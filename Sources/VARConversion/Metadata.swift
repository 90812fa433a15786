import CXXHash
import VARCheckpoint
import VARJSON
import VARModels
import VARTokenizer

/// What a file carries besides weights.
struct Metadata {
  private(set) var attachments: [(name: String, bytes: [UInt8], inPlace: Bool)] = []

  init(
    of conversion: Conversion, isCancelled: () -> Bool,
    progress: (ConversionProgress) -> Void
  ) throws {
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
    add("provenance", try Self.provenance(checkpoint, isCancelled, progress))
  }

  private mutating func add(_ name: String, _ value: JSONValue) {
    attachments.append((name, Array(value.text.utf8), false))
  }

  /// The tokenizer's flat tables, checked against the model's ids.
  private static func tokenizer(
    _ checkpoint: Checkpoint, _ configuration: VARGPTConfiguration
  ) throws -> [UInt8] {
    let tables = try TokenizerSource(directory: checkpoint.directory).makeTables()
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

  /// The content hash of every shard, as `xxhsum -H128` prints it.
  private static func provenance(
    _ checkpoint: Checkpoint, _ isCancelled: () -> Bool,
    _ progress: (ConversionProgress) -> Void
  ) throws -> JSONValue {
    var shards: [JSONValue] = []
    for (index, name) in checkpoint.shardNames.enumerated() {
      progress(
        ConversionProgress(
          subject: "hash of \(name)", doneCount: index, totalCount: checkpoint.shardNames.count))
      let (hash, byteCount) = try contentHash(checkpoint, name, isCancelled)
      shards.append(
        .object(
          JSONObject([
            ("file", .string(name)), ("bytes", .integer(byteCount)), ("xxh3_128", .string(hash)),
          ])))
    }
    return .object(
      JSONObject([
        ("converter", .string("varconvert \(ConverterVersion.text)")), ("shards", .array(shards)),
      ]))
  }

  private static func contentHash(
    _ checkpoint: Checkpoint, _ shardName: String, _ isCancelled: () -> Bool
  ) throws -> (hash: String, byteCount: Int) {
    guard let state = XXH3_createState() else {
      throw ConversionError(.notEnoughMemory, shardName, "no memory to hash it")
    }
    defer { XXH3_freeState(state) }
    XXH3_128bits_reset(state)
    var byteCount = 0
    var isStopped = false
    try checkpoint.withShardPieces(shardName) { piece in
      isStopped = isStopped || isCancelled()
      guard !isStopped else { return }
      XXH3_128bits_update(state, piece.baseAddress, piece.count)
      byteCount += piece.count
    }
    if isStopped {
      throw ConversionError(.interrupted, shardName, "stopped; no output was left behind")
    }
    let hash = XXH3_128bits_digest(state)
    return (hexadecimal(hash.high64) + hexadecimal(hash.low64), byteCount)
  }

  private static func hexadecimal(_ value: UInt64) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}

/// The converter's own version, which goes into the provenance.
public enum ConverterVersion {
  public static let text = "1.0.0"
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
