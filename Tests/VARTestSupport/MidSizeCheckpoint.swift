#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A checkpoint of about 300 MB in bf16, written in a fraction of a second: `SmallCheckpoint` with a large language
/// model and a wide generator, in two shards. Large enough that tensors have many chunks and that memory and time can
/// be bounded.
///
/// The numbers are slices of one random block, so that the file costs no time to make; neighbouring rows differ.
public enum MidSizeCheckpoint {
  public static let (hiddenSize, intermediateSize, vocabSize, layers) = (1024, 4096, 20_000, 6)
  public static let generatorWidth = 512

  /// `config.json` of the checkpoint.
  public static let config = """
    {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 6,
     "num_attention_heads": 16, "num_key_value_heads": 4, "vocab_size": 20000,
     "rope_scaling": {"mrope_section": [8, 12, 12]},
     "vision_config": {"depth": 1, "embed_dim": 32, "num_heads": 2, "mlp_ratio": 2},
     "vision_start_token_id": 300, "vision_end_token_id": 301, "image_token_id": 303,
     "video_token_id": 304, "eos_token_id": 305, "tie_word_embeddings": false,
     "special_tokens": {"image_gen_start_token_id": 310, "image_gen_end_token_id": 311,
                        "image_gen_pad_token_id": 312}}
    """

  /// Names of the same shards as PyTorch's files.
  public static let torchNames = [
    "pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin",
  ]

  /// Bytes of the shards.
  public static var byteCount: Int { shards.joined().reduce(0) { $0 + $1.elementCount * 2 } }

  /// Names of the shards' files.
  public static let shardNames = [
    "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
  ]

  private struct Tensor {
    let name: String
    let shape: [Int]
    var elementCount: Int { shape.reduce(1, *) }
  }

  /// Sorted by name, as the official tools write them; the first half of the bytes in the first shard.
  private static var shards: [[Tensor]] {
    let width = generatorWidth
    let resized = [
      "visual.merger.mlp.2.weight": [hiddenSize, 4 * SmallCheckpoint.visionWidth],
      "visual.merger.mlp.2.bias": [hiddenSize],
      "vargpt_gen.head.weight": [2 * SmallCheckpoint.bits, width],
      "vargpt_gen.head.bias": [2 * SmallCheckpoint.bits],
      "image_gen_projector.mlp.2.weight": [hiddenSize, width],
      "image_gen_projector.mlp.2.bias": [hiddenSize],
      "image_gen_projector_out.mlp.0.weight": [hiddenSize, hiddenSize],
      "image_gen_projector_out.mlp.0.bias": [hiddenSize],
      "image_gen_projector_out.mlp.2.weight": [width, hiddenSize],
      "image_gen_projector_out.ln_q.weight": [hiddenSize],
      "image_gen_projector_out.ln_q.bias": [hiddenSize],
    ]
    var tensors = SmallCheckpoint().tensors
      .filter { !$0.name.hasPrefix("model.") && !$0.name.hasPrefix("lm_head.") }
      .map { Tensor(name: $0.name, shape: resized[$0.name] ?? widened($0)) }
    tensors += languageModel
    tensors.sort { $0.name < $1.name }
    let half = tensors.reduce(0) { $0 + $1.elementCount } / 2
    var count = 0
    let first = tensors.prefix {
      count += $0.elementCount
      return count <= half
    }
    return [Array(first), Array(tensors[first.count...])]
  }

  /// The shape of a tensor where the generator's width takes the place of the small one.
  private static func widened(_ tensor: SmallCheckpoint.Tensor) -> [Int] {
    let prefixes = ["vargpt_gen.", "image_gen_projector", "sos_embedding."]
    guard prefixes.contains(where: tensor.name.hasPrefix) else { return tensor.shape }
    let small = SmallCheckpoint.width
    return tensor.shape.map { $0 % small == 0 ? $0 / small * generatorWidth : $0 }
  }

  private static var languageModel: [Tensor] {
    var tensors = [
      Tensor(name: "model.embed_tokens.weight", shape: [vocabSize, hiddenSize]),
      Tensor(name: "model.norm.weight", shape: [hiddenSize]),
      Tensor(name: "lm_head.weight", shape: [vocabSize, hiddenSize]),
    ]
    for layer in 0..<layers {
      func add(_ name: String, _ shape: Int...) {
        tensors.append(Tensor(name: "model.layers.\(layer).\(name)", shape: shape))
      }
      add("input_layernorm.weight", hiddenSize)
      add("post_attention_layernorm.weight", hiddenSize)
      for (name, rows) in [("q", hiddenSize), ("k", hiddenSize / 4), ("v", hiddenSize / 4)] {
        add("self_attn.\(name)_proj.weight", rows, hiddenSize)
        add("self_attn.\(name)_proj.bias", rows)
      }
      add("self_attn.o_proj.weight", hiddenSize, hiddenSize)
      add("mlp.gate_proj.weight", intermediateSize, hiddenSize)
      add("mlp.up_proj.weight", intermediateSize, hiddenSize)
      add("mlp.down_proj.weight", hiddenSize, intermediateSize)
    }
    return tensors
  }

  /// Writes the shards, their index, `config.json` and the tokenizer's files.
  ///
  /// - Parameter isTorch: PyTorch's files with the same tensors instead of safetensors.
  public static func write(to directory: String, isTorch: Bool = false) throws {
    SmallCheckpoint.writeTokenizer(to: directory)
    func makeFile(_ name: String, _ body: (UnsafeMutablePointer<FILE>) -> Bool) throws {
      guard let file = fopen("\(directory)/\(name)", "wb") else {
        throw FixtureError("\(directory)/\(name): cannot be made")
      }
      let isWritten = body(file)
      guard fclose(file) == 0, isWritten else {
        throw FixtureError("\(directory)/\(name): cannot be written")
      }
    }
    var index = "{\"weight_map\":{"
    let block = randomBlock()
    for (name, tensors) in zip(isTorch ? torchNames : shardNames, shards) {
      for tensor in tensors {
        index += (index.hasSuffix("{") ? "" : ",") + "\"\(tensor.name)\":\"\(name)\""
      }
      try makeFile(name) { file in
        if isTorch { return write(torchFile(tensors, block), to: file) }
        return write(header(tensors), to: file)
          && tensors.enumerated().allSatisfy { number, tensor in
            write(tensor.elementCount * 2, of: block, from: number * 7919 * 2, to: file)
          }
      }
    }
    index += "}}"
    let indexName = isTorch ? "pytorch_model.bin.index.json" : "model.safetensors.index.json"
    try makeFile(indexName) { write(Array(index.utf8), to: $0) }
    try makeFile("config.json") { write(Array(config.utf8), to: $0) }
  }

  /// The length of the JSON, and the JSON.
  private static func header(_ tensors: [Tensor]) -> [UInt8] {
    var text = "{"
    var end = 0
    for tensor in tensors {
      let start = end
      end += tensor.elementCount * 2
      let shape = tensor.shape.map(String.init).joined(separator: ",")
      text +=
        (text.count > 1 ? "," : "") + "\"\(tensor.name)\":{\"dtype\":\"BF16\",\"shape\":[\(shape)],"
        + "\"data_offsets\":[\(start),\(end)]}"
    }
    text += "}"
    return withUnsafeBytes(of: UInt64(text.utf8.count).littleEndian) { Array($0) } + text.utf8
  }

  private static func torchFile(_ tensors: [Tensor], _ block: [UInt8]) -> [UInt8] {
    let members = tensors.enumerated().map { number, tensor in
      var bytes: [UInt8] = []
      var position = number * 7919 * 2 % block.count
      while bytes.count < tensor.elementCount * 2 {
        let piece = min(tensor.elementCount * 2 - bytes.count, block.count - position)
        bytes += block[position..<position + piece]
        position = 0
      }
      let value = TorchArchive.Tensor(
        storageType: "BFloat16Storage", shape: tensor.shape, bytes: bytes)
      return (tensor.name, TorchArchive.Value.tensor(value))
    }
    return TorchArchive.file(.dictionary(members))
  }

  private static func write(_ bytes: [UInt8], to file: UnsafeMutablePointer<FILE>) -> Bool {
    fwrite(bytes, 1, bytes.count, file) == bytes.count
  }

  private static func write(
    _ count: Int, of block: [UInt8], from start: Int, to file: UnsafeMutablePointer<FILE>
  ) -> Bool {
    var (rest, position) = (count, start % block.count)
    while rest > 0 {
      let piece = min(rest, block.count - position)
      let written = block.withUnsafeBytes { fwrite($0.baseAddress! + position, 1, piece, file) }
      guard written == piece else { return false }
      rest -= piece
      position = 0
    }
    return true
  }

  /// 2 MB of bf16 numbers in [-1/4, 1/4); an odd number of elements, so that rows never repeat.
  private static func randomBlock() -> [UInt8] {
    var random = SplitMix64(seed: 7)
    var block: [UInt8] = []
    block.reserveCapacity(2_000_002)
    for _ in 0..<1_000_001 {
      let bits = (random.nextFloat() / 4).bitPattern >> 16
      block.append(UInt8(truncatingIfNeeded: bits))
      block.append(UInt8(truncatingIfNeeded: bits >> 8))
    }
    return block
  }
}
