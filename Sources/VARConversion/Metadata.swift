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
    add("generation_configuration", conversion.documents.generation.json)
    add("image_preprocessing", conversion.documents.pictures.json)
    if let template = try checkpoint.chatTemplate() {
      attachments.append(("chat_template", Array(template.utf8), false))
    }
    attachments.append(("recipe", Array(conversion.options.recipe.text.utf8), false))
    if let licence = try checkpoint.licence() { attachments.append(("licence", licence, false)) }
  }

  private mutating func add(_ name: String, _ value: JSONValue) {
    attachments.append((name, Array(value.text.utf8), false))
  }

  /// Ids that the tokenizer gives: rows of the embedding from there on belong to no token.
  static func vocabularySize(
    of checkpoint: Checkpoint, _ configuration: VARGPTConfiguration
  ) throws -> Int {
    try Tokenizer(tables: tokenizer(checkpoint, configuration)).vocabularySize
  }

  /// The tokenizer's flat tables, checked against the model's ids.
  private static func tokenizer(
    _ checkpoint: Checkpoint, _ configuration: VARGPTConfiguration
  ) throws -> [UInt8] {
    var source = try TokenizerSource(directory: checkpoint.directory)
    let config = try ConfigurationDialect(checkpoint.configuration()).json
    if let tokens = ImageTokens(added: checkpoint, config: config) {
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
      "chat_template.json", "chat_template.jinja", "LICENSE",
    ]
    return names.reduce(1 << 20) { $0 + (checkpoint.byteCount(ofFile: $1) ?? 0) }
  }

  /// The converter, and the hash of every shard, made of those of its parts.
  ///
  /// - Parameters:
  ///   - calibration: what weights were rounded by, if anything.
  ///   - pieces: hashes of the pieces of every tensor of the checkpoint, by name.
  static func provenance(
    _ checkpoint: Checkpoint, _ calibration: CalibrationFile?, pieces: [String: [VQ4Hash]]
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
    var members: [(String, JSONValue)] = [
      ("converter", .string("varconvert \(PackageVersion.text)")), ("shards", .array(shards)),
    ]
    if let calibration { members.append(("calibration", .string(calibration.identity))) }
    if let recipe = calibration?.recipe { members.append(("calibrated_for", .string(recipe.name))) }
    if !checkpoint.adapters.isEmpty { members.append(("adapters", adapters(of: checkpoint))) }
    return Array(JSONValue.object(JSONObject(members)).text.utf8)
  }

  /// Shard, scale and the configuration's hash of each adapter, in their order.
  static func adapters(of checkpoint: Checkpoint) -> JSONValue {
    .array(
      checkpoint.adapters.map { adapter in
        let hash = adapter.configurationBytes.withUnsafeBytes { VQ4Hash(of: $0) }
        return .object(
          JSONObject([
            ("file", .string(adapter.shardName)), ("scale", .number(adapter.scale)),
            ("configuration_xxh3_128", .string(hash.description)),
          ]))
      })
  }
}
