import VARJSON

/// What `adapter_config.json` of a LoRA adapter says about its matrices (PEFT's `LoraConfig`).
struct AdapterConfiguration: Sendable {
  /// `modules_to_save`: ends of names of modules that the adapter replaces whole.
  let modulesToSave: [String]
  /// Whether the weights that the adapter changes are `[in, out]`.
  let fanInFanOut: Bool
  private let rank: Int
  private let alpha: Double
  private let usesRankStabilization: Bool
  private let ranks: [(pattern: ModulePattern, value: Int)]
  private let alphas: [(pattern: ModulePattern, value: Double)]

  /// Ranks above are no adapters.
  private static let maximumRank = 1 << 16

  /// The rank that a module's matrices have, and what their product is multiplied by.
  func scaling(of module: String) -> (rank: Int, factor: Double) {
    let rank = ranks.first { $0.pattern.matches(module) }?.value ?? rank
    let alpha = alphas.first { $0.pattern.matches(module) }?.value ?? alpha
    let divisor = usesRankStabilization ? Double(rank).squareRoot() : Double(rank)
    return (rank, alpha / divisor)
  }

  /// Whether the adapter may bring the whole tensor of that name: of a module that `modules_to_save` lists, or an
  /// embedding, which PEFT saves where the vocabulary was changed.
  func replaces(_ tensor: String) -> Bool {
    let parts = tensor.split(separator: ".")
    let ends = modulesToSave + ["embed_tokens", "lm_head"]
    return parts.indices.dropFirst().contains { end in
      let module = parts[..<end].joined(separator: ".")
      return ends.contains { module.hasSuffix($0) }
    }
  }

  /// - Parameter path: of the file, for errors.
  init(_ json: JSONValue, path: String) throws(CheckpointError) {
    let reader = AdapterKeys(json: json, path: path)
    try reader.checkKind()
    rank = try reader.count("r", json["r"], upTo: Self.maximumRank)
    alpha = try reader.number("lora_alpha", json["lora_alpha"])
    usesRankStabilization = try reader.flag("use_rslora")
    fanInFanOut = try reader.flag("fan_in_fan_out")
    modulesToSave = try reader.texts("modules_to_save")
    var ranks: [(ModulePattern, Int)] = []
    for (pattern, value) in try reader.patterns("rank_pattern") {
      ranks.append((pattern, try reader.count("rank_pattern", value, upTo: Self.maximumRank)))
    }
    self.ranks = ranks
    var alphas: [(ModulePattern, Double)] = []
    for (pattern, value) in try reader.patterns("alpha_pattern") {
      alphas.append((pattern, try reader.number("alpha_pattern", value)))
    }
    self.alphas = alphas
  }
}

/// Reads the keys of `adapter_config.json`, each fault with its name.
private struct AdapterKeys {
  let json: JSONValue
  let path: String

  /// Beginnings that leave the base as it is; the others are trained on another base than the published one.
  private static let initializations: Set = ["gaussian", "eva", "orthogonal", "true", "false"]
  /// What makes of an adapter something that is no product of two matrices added to a weight.
  private static let variants: Set = [
    "lora_bias", "alora_invocation_tokens", "trainable_token_indices", "target_parameters",
    "layer_replication",
  ]
  /// Settings of training that the finished matrices do not show.
  private static let trainingSettings: Set = [
    "loftq_config", "eva_config", "corda_config", "lora_ga_config", "megatron_config",
    "runtime_config",
  ]

  func fault(_ detail: String) -> CheckpointError {
    CheckpointError(.unsupportedAdapter, path: path, detail)
  }

  /// Refuses what is no plain LoRA adapter by the name of the key that says so.
  func checkKind() throws(CheckpointError) {
    guard let members = json.objectValue?.members else { throw fault("is no JSON object") }
    guard let type = json["peft_type"]?.stringValue else {
      throw fault("lacks peft_type; an adapter that PEFT saved has it")
    }
    guard type == "LORA" else {
      throw fault("peft_type is \(type); only adapters of type LORA can be merged")
    }
    let bias = json["bias"] ?? .string("none")
    guard bias == .string("none") || bias == .null else {
      throw fault("bias is \(bias.text); only adapters that leave the biases alone are merged")
    }
    for (key, value) in members where Self.isSet(value) {
      let isVariant =
        Self.variants.contains(key) || (key.hasPrefix("use_") && key != "use_rslora")
        || (key.hasSuffix("_config") && !Self.trainingSettings.contains(key))
      guard !isVariant else {
        let name = key == "use_dora" ? " (DoRA)" : ""
        throw fault(
          "\(key) is \(value.text.prefix(40))\(name); such an adapter is more than a product of two "
            + "matrices: merge it with PEFT and save the model")
      }
    }
    let start = json["init_lora_weights"] ?? .bool(true)
    let name = start.stringValue?.lowercasedASCII ?? start.text
    guard Self.initializations.contains(name) || start == .null else {
      throw fault(
        "init_lora_weights is \(start.text); such an adapter belongs to a base that was changed when "
          + "its training began: merge it with PEFT and save the model")
    }
  }

  private static func isSet(_ value: JSONValue) -> Bool {
    switch value {
    case .null, .bool(false): false
    case .array(let items): !items.isEmpty
    case .object(let object): !object.members.isEmpty
    case .string(let text): !text.isEmpty
    default: true
    }
  }

  func count(
    _ key: String, _ value: JSONValue?, upTo limit: Int
  ) throws(CheckpointError) -> Int {
    guard let count = value?.integerValue, (1...limit).contains(count) else {
      throw fault("\(key) is \(value?.text ?? "absent"); a rank is 1...\(limit)")
    }
    return count
  }

  func number(_ key: String, _ value: JSONValue?) throws(CheckpointError) -> Double {
    guard let number = value?.doubleValue, number.isFinite else {
      throw fault("\(key) is \(value?.text ?? "absent"); it must be a number")
    }
    return number
  }

  func flag(_ key: String) throws(CheckpointError) -> Bool {
    switch json[key] ?? .null {
    case .null: return false
    case .bool(let value): return value
    case let value: throw fault("\(key) is \(value.text); it must be true or false")
    }
  }

  func texts(_ key: String) throws(CheckpointError) -> [String] {
    let value = json[key] ?? .null
    let items = value == .null ? [] : value.arrayValue
    guard let texts = items?.map(\.stringValue), !texts.contains(nil) else {
      throw fault("\(key) is \(value.text.prefix(80)); it must be a list of names")
    }
    return texts.compactMap { $0 }
  }

  /// An object whose keys are patterns, in its order, which decides where several match.
  func patterns(_ key: String) throws(CheckpointError) -> [(ModulePattern, JSONValue)] {
    let value = json[key] ?? .null
    guard value != .null else { return [] }
    guard let members = value.objectValue?.members else {
      throw fault("\(key) is \(value.text.prefix(80)); it must be an object")
    }
    var patterns: [(ModulePattern, JSONValue)] = []
    for (text, value) in members {
      guard let pattern = ModulePattern(text) else {
        throw fault(
          "\(key) has the pattern \"\(text.prefix(80))\", which is malformed or more than is read "
            + "(letters, ., classes, groups, |, ^, $ and counts)")
      }
      patterns.append((pattern, value))
    }
    return patterns
  }
}

extension String {
  fileprivate var lowercasedASCII: String {
    String(
      decoding: utf8.map { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) ? $0 + 32 : $0 },
      as: UTF8.self)
  }
}
