import Testing
import VARCheckpoint
import VARConversion
import VARQuantization
import VARTestSupport
import VQ4Format

/// Adapters that are merged while a checkpoint is converted, against checkpoints in which they were merged before.
@Suite struct AdapterTests {
  private let directory = TemporaryDirectory()
  private let small = SmallCheckpoint()

  init() {
    directory.makeDirectory("base")
    small.write(to: directory.file("base"))
  }

  private static let query = "model.layers.0.self_attn.q_proj"
  /// One module of every kind: plain, of fewer rows, of a convolution in two and in three dimensions, folded, dead.
  private static let modules = [
    query, "model.layers.1.self_attn.k_proj", "model.layers.1.mlp.down_proj",
    "visual.patch_embed.proj", "visual.blocks.0.attn.qkv", "lm_head",
    "vargpt_gen.block_chunks.1.module.0.sa.mat_qkv", "vargpt_gen.shared_ada_lin.1",
    "vargpt_gen.head_nm.ada_lin.1", "vargpt_gen.text_proj_for_sos.ca.mat_kv",
    "vargpt_gen.text_proj_for_sos.ca.proj", "vargpt_gen.text_proj_for_ca.0",
    "vae_local.decoder.conv_in.conv", "image_gen_projector_out.mlp.2",
  ]

  private func open(_ adapters: (String, Double)...) throws -> Checkpoint {
    try CheckpointParts(
      adapters: adapters.map { .init(path: directory.file($0.0), scale: $0.1) }
    ).checkpoint(at: directory.file("base"))
  }

  private func convert(
    _ checkpoint: Checkpoint, _ name: String, recipe: String = "f32", threads: Int = 2
  ) throws -> VQ4File {
    let options = ConversionOptions(
      recipe: try Recipe(builtIn: recipe), threadCount: threads, overwrite: true)
    let path = directory.file(name)
    _ = try Conversion(of: checkpoint, options: options).write(to: path)
    return try VQ4File(path: path)
  }

  /// The checkpoint in which all was merged before.
  private func merged(_ change: (inout SmallCheckpoint) -> Void) throws -> Checkpoint {
    let other = TemporaryDirectory()
    var checkpoint = small
    change(&checkpoint)
    checkpoint.write(to: other.path)
    let opened = try Checkpoint(path: other.path)
    // The files stay open while the names go.
    directory.write("config.json", SmallCheckpoint.config)
    SmallCheckpoint.writeTokenizer(to: directory.path)
    return try Checkpoint(directory: directory.path, shards: opened.shards)
  }

  private func fault(_ body: () throws -> Void) -> CheckpointError? {
    do {
      try body()
      return nil
    } catch {
      return error as? CheckpointError
    }
  }

  @Test(arguments: ["f32", "balanced", "int4"], [1, 3])
  func everyModuleBecomesWhatItWasMergedBefore(recipe: String, threads: Int) throws {
    var adapter = AdapterFolder()
    for module in Self.modules {
      adapter.addFactors(module, small[module + ".weight"].shape)
    }
    adapter.addEmbeddingFactors("model.embed_tokens", [320, 64])
    adapter.write("sft", to: directory)
    let expected = try merged { checkpoint in
      for module in Self.modules {
        adapter.merge(module, into: &checkpoint[module + ".weight"], factor: 1.25 * 6 / 4)
      }
      adapter.merge(
        "model.embed_tokens", into: &checkpoint["model.embed_tokens.weight"],
        factor: 1.25 * 6 / 4, isEmbedding: true)
    }
    let checkpoint = try open(("sft", 1.25))
    let found = try convert(checkpoint, "found.vq4", recipe: recipe, threads: threads)
    try expectSameTensors(found, try convert(expected, "expected.vq4", recipe: recipe))
    let check = try ConversionCheck(of: directory.file("found.vq4"), against: checkpoint)
    #expect(try check.run(threadCount: 2).allSatisfy(\.isWithinLimit))
    // Without the adapter the file is another.
    let other = try ConversionCheck(of: directory.file("found.vq4"), against: open())
    #expect(try !other.run(threadCount: 2).allSatisfy(\.isWithinLimit))
  }

  /// The factors that a configuration and a scale give to two modules of rank 4 and 3.
  @Test(
    arguments: [
      ([], 1, 6.0 / 4, 6.0 / 4), ([], -0.5, -0.5 * 6 / 4, -0.5 * 6 / 4), ([], 0, 0, 0),
      ([("use_rslora", "true")], 1, 6.0 / 2, 6.0 / 2),
      ([("lora_alpha", "2.5")], 2, 2 * 2.5 / 4, 2 * 2.5 / 4),
      ([("alpha_pattern", #"{"k_proj": 9}"#)], 1, 6.0 / 4, 9.0 / 4),
      (
        [("alpha_pattern", #"{"layers\\.1\\..*": 9, "k_proj": 1, "self_attn.q_proj": 2}"#)], 1,
        2.0 / 4, 9.0 / 4
      ),
      ([("alpha_pattern", #"{"proj": 9, "^q_proj": 8}"#)], 1, 6.0 / 4, 6.0 / 4),
    ] as [([(String, String)], Double, Double, Double)])
  func factorsAreThoseOfTheConfiguration(
    keys: [(String, String)], scale: Double, first: Double, second: Double
  ) throws {
    var adapter = AdapterFolder()
    for (key, json) in keys { adapter.set(key, json) }
    let other = "model.layers.1.self_attn.k_proj"
    adapter.addFactors(Self.query, [64, 64])
    adapter.addFactors(other, [16, 64])
    adapter.write("sft", to: directory)
    let checkpoint = try open(("sft", scale))
    for (module, factor) in [(Self.query, first), (other, second)] {
      var weight = small[module + ".weight"]
      adapter.merge(module, into: &weight, factor: Float(factor))
      #expect(try checkpoint[module + ".weight"]?.floats() == weight.values, "\(module)")
    }
  }

  @Test func ranksByPatternGiveShapesAndFactors() throws {
    var adapter = AdapterFolder()
    adapter.set("rank_pattern", #"{".*layers\\.1.*k_proj": 7, "k_proj": 5}"#)
    let ranks = [
      (Self.query, [64, 64], 4), ("model.layers.0.self_attn.k_proj", [16, 64], 5),
      ("model.layers.1.self_attn.k_proj", [16, 64], 7),
    ]
    for (module, shape, rank) in ranks { adapter.addFactors(module, shape, rank: rank) }
    for usesRoot in [false, true] {
      adapter.set("use_rslora", "\(usesRoot)")
      adapter.write("sft\(usesRoot)", to: directory)
      let checkpoint = try open(("sft\(usesRoot)", 1))
      for (module, _, rank) in ranks {
        var weight = small[module + ".weight"]
        let divisor = usesRoot ? Double(rank).squareRoot() : Double(rank)
        adapter.merge(module, into: &weight, factor: Float(6 / divisor))
        #expect(try checkpoint[module + ".weight"]?.floats() == weight.values, "\(module)")
      }
    }
  }

  @Test func fanInFanOutTurnsTheProduct() throws {
    var adapter = AdapterFolder()
    adapter.set("fan_in_fan_out", "true")
    let module = "model.layers.0.mlp.up_proj"
    adapter.addFactors(module, [64, 96])
    adapter.write("sft", to: directory)
    var weight = small[module + ".weight"]
    #expect(weight.shape == [96, 64])
    adapter.merge(module, into: &weight, factor: 1.5, isTransposed: true)
    #expect(try open(("sft", 1))[module + ".weight"]?.floats() == weight.values)
  }

  @Test func adaptersAreAddedInTheirOrder() throws {
    var (first, second) = (AdapterFolder(), AdapterFolder())
    first.addFactors(Self.query, [64, 64])
    second.add("unused", [3])
    second.tensors = []
    second.set("r", "2")
    second.addFactors(Self.query, [64, 64], rank: 2)
    second.addFactors("lm_head", [320, 64], rank: 2)
    first.write("sft", to: directory)
    second.write("dpo", to: directory)
    let expected = try merged { checkpoint in
      first.merge(Self.query, into: &checkpoint[Self.query + ".weight"], factor: 1.5)
      second.merge(Self.query, into: &checkpoint[Self.query + ".weight"], factor: 0.25 * 3)
      second.merge("lm_head", into: &checkpoint["lm_head.weight"], factor: 0.25 * 3)
    }
    let checkpoint = try open(("sft", 1), ("dpo", 0.25))
    try expectSameTensors(
      try convert(checkpoint, "found.vq4"), try convert(expected, "expected.vq4"))
    #expect(checkpoint.adaptedNames == [Self.query + ".weight", "lm_head.weight"])
  }

  /// `modules_to_save` as PEFT saves it and as a plain state dict has it; an embedding may come with its own factors.
  @Test(arguments: ["", ".modules_to_save", ".modules_to_save.default", ".base_layer"])
  func wholeTensorsReplaceTheBases(wrapper: String) throws {
    var adapter = AdapterFolder()
    adapter.set("modules_to_save", #"["image_gen_projector_out", "embed_tokens"]"#)
    let names = small.tensors.map(\.name).filter { $0.hasPrefix("image_gen_projector_out.") }
    for name in names {
      let rest = name.dropFirst("image_gen_projector_out".count)
      let isLast = wrapper != ".base_layer"
      adapter.add(
        AdapterFolder.prefix + "image_gen_projector_out" + (isLast ? wrapper : "") + rest,
        small[name].shape)
    }
    adapter.add(AdapterFolder.prefix + "model.embed_tokens\(wrapper).weight", [320, 64])
    adapter.addEmbeddingFactors("model.embed_tokens", [320, 64])
    adapter.write("sft", to: directory)
    let expected = try merged { checkpoint in
      for (index, name) in names.enumerated() {
        checkpoint[name].values = adapter.tensors[index].values
      }
      checkpoint["model.embed_tokens.weight"].values = adapter.tensors[names.count].values
      adapter.merge(
        "model.embed_tokens", into: &checkpoint["model.embed_tokens.weight"],
        factor: 0.5 * 1.5, isEmbedding: true)
    }
    try expectSameTensors(
      try convert(open(("sft", 0.5)), "found.vq4"), try convert(expected, "expected.vq4"))
  }

  /// Names without PEFT's beginning, with the adapter's name, with wrappers, and as newer libraries call the parts.
  @Test(
    arguments: [
      { $0.replacing(AdapterFolder.prefix, with: "") },
      { $0.replacing(".weight", with: ".default.weight") },
      { $0.replacing(".weight", with: ".my_adapter.weight") }, { "module." + $0 },
      { $0.replacing(".layers.", with: "._fsdp_wrapped_module.layers._orig_mod.") },
      {
        $0.replacing("model.model.layers", with: "model.model.language_model.layers")
          .replacing("model.visual", with: "model.model.visual")
      },
      {
        $0.replacing("model.model.layers", with: "model.language_model.model.layers")
          .replacing("model.vargpt_gen", with: "model.model.vargpt_gen")
          .replacing("model.lm_head", with: "model.model.language_model.lm_head")
          .replacing("model.image_gen", with: "model.model.image_gen")
      },
    ] as [@Sendable (String) -> String])
  func otherNamesOfTheSameModules(named: @Sendable (String) -> String) throws {
    var adapter = AdapterFolder()
    adapter.addFactors(Self.query, [64, 64])
    adapter.addFactors("visual.blocks.0.attn.qkv", [96, 32])
    for module in ["lm_head", "vargpt_gen.shared_ada_lin.1", "image_gen_projector_out.mlp.2"] {
      adapter.addFactors(module, small[module + ".weight"].shape)
    }
    let plain = adapter
    for index in adapter.tensors.indices {
      adapter.tensors[index].name = named(adapter.tensors[index].name)
    }
    adapter.write("sft", to: directory)
    let checkpoint = try open(("sft", 1))
    for module in [Self.query, "visual.blocks.0.attn.qkv"] {
      var weight = small[module + ".weight"]
      plain.merge(module, into: &weight, factor: 1.5)
      #expect(try checkpoint[module + ".weight"]?.floats() == weight.values, "\(module)")
    }
  }

  @Test func theProvenanceNamesTheAdapters() throws {
    var adapter = AdapterFolder()
    adapter.addFactors(Self.query, [64, 64])
    adapter.write("sft", to: directory)
    let file = try convert(open(("sft", 1), ("sft", -0.25)), "a.vq4")
    let provenance = try file.jsonAttachment("provenance")
    let shards = provenance["shards"]?.arrayValue ?? []
    let name = "adapter_model.safetensors"
    #expect(
      shards.compactMap { $0["file"]?.stringValue } == [
        "model.safetensors", "lora/1/" + name, "lora/2/" + name,
      ])
    let hash = try piecewiseHash(Fixtures.readFile(directory.file("sft/" + name)))
    #expect(shards[1]["pieces_xxh3_128"]?.stringValue == hash)
    #expect(shards[2]["pieces_xxh3_128"]?.stringValue == hash)
    let adapters = provenance["adapters"]?.arrayValue ?? []
    #expect(adapters.map { $0["file"] } == shards.dropFirst().map { $0["file"] })
    #expect(adapters.map { $0["scale"]?.doubleValue } == [1, -0.25])
    let configuration = try Fixtures.readFile(directory.file("sft/adapter_config.json"))
    let expected = configuration.withUnsafeBytes { VQ4Hash(of: $0).description }
    #expect(adapters.map { $0["configuration_xxh3_128"]?.stringValue } == [expected, expected])
    let page = try SpecificationPage("attachments.md")
    let keys = try page.rows(under: "key of an adapter").map { $0[0] }
    #expect(adapters[0].objectValue?.members.map(\.key) == keys)
    #expect(try convert(open(), "b.vq4").jsonAttachment("provenance")["adapters"] == nil)
  }

  @Test func thePlanSaysWhatIsMerged() throws {
    var adapter = AdapterFolder()
    adapter.addFactors(Self.query, [64, 64])
    adapter.addFactors("visual.patch_embed.proj", [32, 3, 2, 14, 14])
    adapter.write("sft", to: directory)
    let options = ConversionOptions(recipe: try Recipe(builtIn: "f32"))
    let plan = try Conversion(of: open(("sft", 1), ("sft", 1)), options: options).plan
    let notes = Dictionary(uniqueKeysWithValues: plan.rows.map { ($0.name, $0.note) })
    #expect(notes[Self.query + ".weight"] == "2 adapters")
    #expect(notes["visual.patch_embed.proj.weight"] == "sum of 2 frames; 2 adapters")
    #expect(notes["lm_head.weight"] == "")
    let factor = "lora/2/" + AdapterFolder.prefix + Self.query + ".lora_A.weight"
    let folded = plan.folded.first { $0.name == factor }
    #expect(folded?.reason == "merged into \(Self.query).weight")
    #expect(folded?.byteCount == 4 * 64 * 4)
  }
}
