import VARCheckpoint
import VARConversion
import VARTestSupport

/// A LoRA adapter of the small checkpoint as PEFT saves it, and what it makes of the checkpoint.
struct AdapterFolder {
  /// The tensors of `adapter_model.safetensors`.
  var tensors: [SmallCheckpoint.Tensor] = []
  /// JSON of the keys of `adapter_config.json`; nil leaves a key out.
  var keys: [(String, String?)] = [
    ("peft_type", #""LORA""#), ("r", "4"), ("lora_alpha", "6"), ("bias", #""none""#),
    ("use_rslora", "false"), ("fan_in_fan_out", "false"), ("use_dora", "false"),
    ("init_lora_weights", "true"), ("modules_to_save", "null"), ("rank_pattern", "{}"),
    ("alpha_pattern", "{}"), ("target_modules", #"["q_proj"]"#), ("loftq_config", "{}"),
    ("peft_version", #""0.18.0""#), ("runtime_config", #"{"ephemeral_gpu_offload": false}"#),
  ]
  private var random = SplitMix64(seed: 5)

  static let prefix = "base_model.model."

  mutating func set(_ key: String, _ json: String?) {
    keys.removeAll { $0.0 == key }
    keys.append((key, json))
  }

  mutating func add(_ name: String, _ shape: [Int]) {
    let values = (0..<shape.reduce(1, *)).map { _ in random.nextFloat() / 2 }
    tensors.append(SmallCheckpoint.Tensor(name: name, shape: shape, values: values))
  }

  /// Adds both factors of a module whose weight has this shape, as PEFT names them.
  mutating func addFactors(_ module: String, _ shape: [Int], rank: Int = 4) {
    add(Self.prefix + module + ".lora_A.weight", [rank] + shape.dropFirst())
    add(
      Self.prefix + module + ".lora_B.weight",
      [shape[0], rank] + [Int](repeating: 1, count: shape.count - 2))
  }

  mutating func addEmbeddingFactors(_ module: String, _ shape: [Int], rank: Int = 4) {
    add(Self.prefix + module + ".lora_embedding_A", [rank, shape[0]])
    add(Self.prefix + module + ".lora_embedding_B", [shape[1], rank])
  }

  func write(_ name: String, to directory: TemporaryDirectory) {
    directory.makeDirectory(name)
    directory.write(name + "/adapter_model.safetensors", SmallCheckpoint.safetensors(tensors))
    writeConfiguration(name, to: directory)
  }

  func writeConfiguration(_ name: String, to directory: TemporaryDirectory) {
    let members = keys.compactMap { key, json in json.map { "\"\(key)\": \($0)" } }
    directory.write(
      name + "/adapter_config.json", "{" + members.joined(separator: ", ") + "}")
  }

  /// Adds `factor * B @ A` of these factors to a weight, element by element in f32.
  func merge(
    _ module: String, into weight: inout SmallCheckpoint.Tensor, factor: Float,
    isTransposed: Bool = false, isEmbedding: Bool = false
  ) {
    func factors(_ letter: String) -> SmallCheckpoint.Tensor {
      let name = Self.prefix + module + (isEmbedding ? ".lora_embedding_" : ".lora_") + letter
      return tensors.first { $0.name == name || $0.name == name + ".weight" }!
    }
    let (down, up) = (factors("A"), factors("B"))
    let rank = down.shape[0]
    let (inputs, outputs) = (down.values.count / rank, up.values.count / rank)
    for out in 0..<outputs {
      for input in 0..<inputs {
        var sum: Float = 0
        for k in 0..<rank { sum += up.values[out * rank + k] * down.values[k * inputs + input] }
        let index = isTransposed || isEmbedding ? input * outputs + out : out * inputs + input
        weight.values[index] += factor * sum
      }
    }
  }
}
