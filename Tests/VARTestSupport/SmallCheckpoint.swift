#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A checkpoint of random f32 weights in the official layout, unlike the tiny fixture in every number that may differ:
/// no `vargpt_gen` object, untied head, 32 bits a token, one generator block a chunk, one residual block a level.
public struct SmallCheckpoint {
  public struct Tensor {
    public var name: String
    public var shape: [Int]
    public var values: [Float]

    public init(name: String, shape: [Int], values: [Float]) {
      self.name = name
      self.shape = shape
      self.values = values
    }
  }

  public static let (hiddenSize, intermediateSize, vocabSize, layers) = (64, 96, 320, 2)
  public static let (visionWidth, width, depth, bits, textLength) = (32, 64, 3, 32, 20)
  public static let imageGenStart = 310
  public private(set) var tensors: [Tensor] = []
  private var random = SplitMix64(seed: 2026)

  public init() {
    addLanguageModel()
    addVision()
    addGenerator()
    addVAE()
  }

  public subscript(name: String) -> Tensor {
    get { tensors[index(name)] }
    set { tensors[index(name)] = newValue }
  }

  public func index(_ name: String) -> Int { tensors.firstIndex { $0.name == name }! }

  public mutating func remove(_ name: String) { tensors.remove(at: index(name)) }

  public mutating func add(_ name: String, _ shape: Int...) {
    let values = (0..<shape.reduce(1, *)).map { _ in random.nextFloat() / 4 }
    tensors.append(Tensor(name: name, shape: shape, values: values))
  }

  private mutating func linear(_ name: String, _ rows: Int, _ cols: Int, bias: Bool = true) {
    add(name + ".weight", rows, cols)
    if bias { add(name + ".bias", rows) }
  }

  private mutating func norm(_ name: String, _ size: Int) {
    add(name + ".weight", size)
    add(name + ".bias", size)
  }

  private mutating func addLanguageModel() {
    let width = Self.hiddenSize
    add("model.embed_tokens.weight", Self.vocabSize, width)
    for layer in 0..<Self.layers {
      let name = "model.layers.\(layer)."
      add(name + "input_layernorm.weight", width)
      add(name + "post_attention_layernorm.weight", width)
      linear(name + "self_attn.q_proj", width, width)
      linear(name + "self_attn.k_proj", width / 4, width)
      linear(name + "self_attn.v_proj", width / 4, width)
      linear(name + "self_attn.o_proj", width, width, bias: false)
      linear(name + "mlp.gate_proj", Self.intermediateSize, width, bias: false)
      linear(name + "mlp.up_proj", Self.intermediateSize, width, bias: false)
      linear(name + "mlp.down_proj", width, Self.intermediateSize, bias: false)
    }
    add("model.norm.weight", width)
    add("lm_head.weight", Self.vocabSize, width)
  }

  private mutating func addVision() {
    let width = Self.visionWidth
    add("visual.patch_embed.proj.weight", width, 3, 2, 14, 14)
    for name in ["norm1", "norm2"] { norm("visual.blocks.0." + name, width) }
    linear("visual.blocks.0.attn.qkv", 3 * width, width)
    linear("visual.blocks.0.attn.proj", width, width)
    linear("visual.blocks.0.mlp.fc1", 2 * width, width)
    linear("visual.blocks.0.mlp.fc2", width, 2 * width)
    norm("visual.merger.ln_q", width)
    linear("visual.merger.mlp.0", 4 * width, 4 * width)
    linear("visual.merger.mlp.2", Self.hiddenSize, 4 * width)
  }

  private mutating func addGenerator() {
    let width = Self.width
    for block in 0..<Self.depth {
      let name = "vargpt_gen.block_chunks.\(block).module.0."
      add(name + "ada_gss", 1, 1, 6, width)
      add(name + "sa.mat_qkv.weight", 3 * width, width)
      for part in ["q_bias", "v_bias", "zero_k_bias"] { add(name + "sa." + part, width) }
      add(name + "sa.scale_mul_1H11", 1, 4, 1, 1)
      linear(name + "sa.proj", width, width)
      norm(name + "ca_norm", width)
      linear(name + "ca.mat_q", width, width)
      add(name + "ca.mat_kv.weight", 2 * width, width)
      for part in ["v_bias", "zero_k_bias"] { add(name + "ca." + part, width) }
      linear(name + "ca.proj", width, width)
      linear(name + "ffn.fc1", 4 * width, width)
      linear(name + "ffn.fc2", width, 4 * width)
    }
    add("vargpt_gen.cfg_uncond", Self.textLength, width)
    add("vargpt_gen.pos_start", 1, 1, width)
    add("vargpt_gen.text_norm.weight", width)
    add("vargpt_gen.text_proj_for_sos.ca.mat_q", 1, 1, width)
    add("vargpt_gen.text_proj_for_sos.ca.mat_kv.weight", 2 * width, width)
    for part in ["v_bias", "zero_k_bias"] { add("vargpt_gen.text_proj_for_sos.ca." + part, width) }
    linear("vargpt_gen.text_proj_for_sos.ca.proj", width, width)
    for part in [0, 2] { linear("vargpt_gen.text_proj_for_ca.\(part)", width, width) }
    add("vargpt_gen.lvl_embed.weight", 15, width)
    linear("vargpt_gen.word_embed", width, Self.bits)
    linear("vargpt_gen.shared_ada_lin.1", 6 * width, width)
    linear("vargpt_gen.head_nm.ada_lin.1", 2 * width, width)
    linear("vargpt_gen.head", 2 * Self.bits, width)
    linear("image_gen_projector.mlp.0", width, width)
    linear("image_gen_projector.mlp.2", Self.hiddenSize, width)
    norm("image_gen_projector.ln_q", width)
    linear("image_gen_projector_out.mlp.0", Self.hiddenSize, Self.hiddenSize)
    linear("image_gen_projector_out.mlp.2", width, Self.hiddenSize)
    norm("image_gen_projector_out.ln_q", Self.hiddenSize)
    add("sos_embedding.weight", Self.imageGenStart + 1, width)
  }

  private mutating func convolution(_ name: String, _ out: Int, _ input: Int, _ side: Int = 3) {
    add(name + ".conv.weight", out, input, side, side)
    add(name + ".conv.bias", out)
  }

  private mutating func residualBlock(_ name: String, _ out: Int, _ input: Int) {
    norm(name + ".norm1.norm", input)
    convolution(name + ".conv1", out, input)
    norm(name + ".norm2.norm", out)
    convolution(name + ".conv2", out, out)
    if out != input { convolution(name + ".nin_shortcut", out, input, 1) }
  }

  private mutating func addVAE() {
    let channels = [32, 32, 64, 64, 96]
    var current = 32
    let encoder = "vae_local.encoder."
    convolution(encoder + "conv_in", 32, 3)
    for (level, out) in channels.enumerated() {
      residualBlock("\(encoder)down.\(level).block.0", out, current)
      current = out
      if level < 4 { convolution("\(encoder)down.\(level).downsample.conv", out, out) }
    }
    for block in ["mid.block_1", "mid.block_2"] { residualBlock(encoder + block, 96, 96) }
    norm(encoder + "norm_out.norm", 96)
    convolution(encoder + "conv_out", Self.bits, 96)
    let decoder = "vae_local.decoder."
    convolution(decoder + "conv_in", 96, Self.bits)
    for block in ["mid.block_1", "mid.block_2"] { residualBlock(decoder + block, 96, 96) }
    for (level, out) in channels.enumerated().reversed() {
      for block in 0..<2 {
        residualBlock("\(decoder)up.\(level).block.\(block)", out, current)
        current = out
      }
      if level > 0 { convolution("\(decoder)up.\(level).upsample.conv", out, out) }
    }
    norm(decoder + "norm_out.norm", 32)
    convolution(decoder + "conv_out", 3, 32)
  }
}

extension SmallCheckpoint {
  public static let config = """
    {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 8,
     "num_key_value_heads": 2, "vocab_size": 320, "rope_scaling": {"mrope_section": [2, 1, 1]},
     "vision_config": {"depth": 1, "embed_dim": 32, "num_heads": 2, "mlp_ratio": 2},
     "vision_start_token_id": 300, "vision_end_token_id": 301, "image_token_id": 303,
     "video_token_id": 304, "eos_token_id": 305, "tie_word_embeddings": false,
     "special_tokens": {"image_gen_start_token_id": 310, "image_gen_end_token_id": 311,
                        "image_gen_pad_token_id": 312}}
    """

  /// A vocabulary of the 256 bytes in the GPT-2 alphabet: printable ones stand for themselves, the others follow from
  /// U+0100 on.
  public static var vocabulary: String {
    var next: UInt32 = 256
    let entries = (0..<256).map { (byte: UInt32) in
      let isPrintable = (33...126).contains(byte) || (161...172).contains(byte) || byte >= 174
      defer { next += isPrintable ? 0 : 1 }
      let character = String(UnicodeScalar(isPrintable ? byte : next)!)
      let text = character == "\"" || character == "\\" ? "\\" + character : character
      return "\"\(text)\":\(byte)"
    }
    return "{" + entries.joined(separator: ",") + "}"
  }

  private static let addedTokens = """
    {"<|vision_start|>":300,"<|vision_end|>":301,"<|image_pad|>":303,"<|im_end|>":305,
     "<|im_start|>":306,"<|image_gen_start|>":310}
    """

  /// Writes `model.safetensors`, `config.json` and the tokenizer's files.
  public func write(to directory: String, config: String = Self.config) {
    Self.write("model.safetensors", Self.safetensors(tensors), to: directory)
    Self.write("config.json", Array(config.utf8), to: directory)
    Self.writeTokenizer(to: directory)
  }

  /// A safetensors file of f32 tensors in this order.
  public static func safetensors(_ tensors: [Tensor]) -> [UInt8] {
    var header = "{"
    var data: [UInt8] = []
    for tensor in tensors {
      let shape = tensor.shape.map(String.init).joined(separator: ",")
      let end = data.count + tensor.values.count * 4
      header += header.utf8.count > 1 ? "," : ""
      header +=
        "\"\(tensor.name)\":{\"dtype\":\"F32\",\"shape\":[\(shape)],"
        + "\"data_offsets\":[\(data.count),\(end)]}"
      tensor.values.withUnsafeBytes { data += $0 }
    }
    header += "}"
    let length = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Array($0) }
    return length + Array(header.utf8) + data
  }

  /// Writes the tokenizer's files.
  public static func writeTokenizer(to directory: String) {
    write("vocab.json", Array(vocabulary.utf8), to: directory)
    write("merges.txt", Array("#version: 0.2\n".utf8), to: directory)
    write("added_tokens.json", Array(addedTokens.utf8), to: directory)
  }

  private static func write(_ name: String, _ bytes: [UInt8], to directory: String) {
    let file = fopen("\(directory)/\(name)", "wb")!
    fwrite(bytes, 1, bytes.count, file)
    fclose(file)
  }
}
