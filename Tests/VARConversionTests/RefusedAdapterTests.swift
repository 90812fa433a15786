import Testing
import VARCheckpoint
import VARConversion
import VARQuantization
import VARTestSupport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Adapters that cannot be merged, each refused by the name of what is at fault; and stopped conversions with adapters.
@Suite struct RefusedAdapterTests {
  private let directory = TemporaryDirectory()
  private static let query = "model.layers.0.self_attn.q_proj"
  private static let down = AdapterFolder.prefix + query + ".lora_A.weight"
  private static let up = AdapterFolder.prefix + query + ".lora_B.weight"

  init() {
    directory.makeDirectory("base")
    SmallCheckpoint().write(to: directory.file("base"))
  }

  /// The error of opening the checkpoint with one adapter, which has one good update, after a change.
  private func fault(
    _ change: (inout AdapterFolder) -> Void
  ) -> CheckpointError? {
    let name = "adapter\(directory.names().count)"
    var adapter = AdapterFolder()
    adapter.addFactors(Self.query, [64, 64])
    change(&adapter)
    adapter.write(name, to: directory)
    return fault(of: name)
  }

  private func fault(of name: String) -> CheckpointError? {
    do {
      _ = try CheckpointParts(adapters: [.init(path: directory.file(name))])
        .checkpoint(at: directory.file("base"))
      return nil
    } catch {
      return error as? CheckpointError
    }
  }

  @Test func theUnchangedAdapterIsMerged() { #expect(fault { _ in } == nil) }

  @Test(
    arguments: [
      ("peft_type", #""IA3""#, "IA3"), ("peft_type", nil, "peft_type"),
      ("use_dora", "true", "DoRA"), ("bias", #""lora_only""#, "lora_only"),
      ("bias", #""all""#, "bias"), ("lora_bias", "true", "lora_bias"),
      ("init_lora_weights", #""pissa_niter_16""#, "pissa_niter_16"),
      ("init_lora_weights", #""olora""#, "olora"), ("init_lora_weights", #""loftq""#, "loftq"),
      ("use_qalora", "true", "use_qalora"), ("use_something", "{\"a\": 1}", "use_something"),
      ("arrow_config", "{\"a\": 1}", "arrow_config"),
      ("alora_invocation_tokens", "[1, 2]", "alora_invocation_tokens"),
      ("trainable_token_indices", "[1]", "trainable_token_indices"),
      ("target_parameters", #"["a"]"#, "target_parameters"),
      ("layer_replication", "[[0, 1]]", "layer_replication"), ("r", "0", "r is 0"),
      ("r", nil, "r is absent"), ("r", "-3", "r is -3"), ("r", "4.5", "4.5"),
      ("lora_alpha", #""6""#, "lora_alpha"), ("lora_alpha", nil, "lora_alpha"),
      ("use_rslora", "1", "use_rslora"), ("fan_in_fan_out", #""no""#, "fan_in_fan_out"),
      ("modules_to_save", #""lm_head""#, "modules_to_save"),
      ("rank_pattern", "[4]", "rank_pattern"),
      ("rank_pattern", #"{"q_proj": 0}"#, "rank_pattern is 0"),
      ("rank_pattern", #"{"(?=q)": 4}"#, "(?=q)"), ("alpha_pattern", #"{"q_proj": null}"#, "null"),
    ] as [(String, String?, String)])
  func configurationsAreRefusedByTheirKey(key: String, json: String?, text: String) {
    let fault = fault { $0.set(key, json) }
    #expect(fault?.code == .unsupportedAdapter)
    #expect(fault?.path.hasSuffix("/adapter_config.json") == true)
    #expect(fault?.detail.contains(text) == true, "\(fault?.detail ?? "")")
    #expect(fault?.description.contains("\n") == false)
  }

  /// What training does and the matrices do not show, and what a later version may add.
  @Test(
    arguments: [
      ("init_lora_weights", #""gaussian""#), ("init_lora_weights", "false"), ("bias", nil),
      ("init_lora_weights", nil), ("use_rslora", nil), ("modules_to_save", "[]"),
      ("eva_config", "{\"rho\": 2.0}"), ("megatron_config", "null"), ("lora_dropout", "0.1"),
      ("corda_config", "{\"a\": 1}"), ("something_new", "[1, {\"a\": 2}]"), ("rank_pattern", nil),
      ("layers_to_transform", "[0, 1]"), ("target_modules", #""all-linear""#), ("use_dora", nil),
    ] as [(String, String?)])
  func otherKeysAreNoHindrance(key: String, json: String?) {
    #expect(fault { $0.set(key, json) } == nil)
  }

  @Test(arguments: [
    ("\(AdapterFolder.prefix)\(query).lora_magnitude_vector", "DoRA"),
    ("\(AdapterFolder.prefix)\(query).lora_magnitude_vector.default.weight", "DoRA"),
    ("\(AdapterFolder.prefix)\(query).lora_B.bias", "neither"),
    ("\(AdapterFolder.prefix)\(query).lora_E", "neither"),
    ("\(AdapterFolder.prefix)\(query).bias", "modules_to_save"),
    ("prompt_embeddings", "neither"),
  ])
  func otherTensorsAreRefusedByName(name: String, text: String) {
    let fault = fault { $0.add(name, [64]) }
    #expect(fault?.code == .unsupportedAdapter)
    #expect(fault?.tensor == name)
    #expect(fault?.detail.contains(text) == true, "\(fault?.detail ?? "")")
  }

  @Test func unmatchedTargetsAreNamed() {
    for module in ["model.layers.2.self_attn.q_proj", "model.layers.0.self_attn.qkv_proj", "x"] {
      let fault = fault { $0.addFactors(module, [64, 64]) }
      #expect(fault?.code == .unmatchedTarget)
      #expect(fault?.tensor?.contains(module + ".lora_A.weight") == true)
      #expect(fault?.detail.contains(module) == true)
    }
    let whole = fault {
      $0.set("modules_to_save", #"["score"]"#)
      $0.add(AdapterFolder.prefix + "score.weight", [2, 64])
    }
    #expect(whole?.code == .unmatchedTarget)
    let absent = fault { $0.set("modules_to_save", #"["lm_head"]"#) }
    #expect(absent?.code == .missingTensor)
    #expect(absent?.detail.contains("lm_head") == true)
  }

  @Test(arguments: [0, 1]) func aHalfWithoutTheOtherIsNamed(index: Int) {
    let fault = fault { $0.tensors.remove(at: index) }
    #expect(fault?.code == .missingTensor)
    #expect(fault?.tensor?.hasSuffix(index == 0 ? Self.up : Self.down) == true)
  }

  @Test func otherShapesAreNamed() {
    let rank = fault { $0.set("r", "8") }
    #expect(rank?.code == .invalidShape)
    #expect(rank?.tensor?.hasSuffix(Self.down) == true)
    #expect(rank?.detail.contains("[4, 64]") == true && rank?.detail.contains("[8, 64]") == true)
    for shapes in [
      ([4, 32], [64, 4]), ([4, 64], [32, 4]), ([4, 64], [4, 64]), ([256], [64, 4]),
    ] {
      let fault = fault {
        $0.tensors = []
        $0.add(Self.down, shapes.0)
        $0.add(Self.up, shapes.1)
      }
      #expect(fault?.code == .invalidShape, "\(shapes)")
    }
    let turned = fault {
      $0.set("fan_in_fan_out", "true")
      $0.addFactors("model.layers.0.mlp.up_proj", [96, 64])
    }
    #expect(turned?.code == .invalidShape)
    let whole = fault { $0.add(AdapterFolder.prefix + "lm_head.weight", [322, 64]) }
    #expect(whole?.code == .invalidShape)
    let norm = fault {
      $0.add(AdapterFolder.prefix + "model.norm.lora_A.weight", [4, 1])
      $0.add(AdapterFolder.prefix + "model.norm.lora_B.weight", [64, 4])
    }
    #expect(norm?.code == .invalidShape)
  }

  @Test(arguments: ["I32", "U32"]) func factorsThatAreNoFloatsAreNamed(type: String) throws {
    var adapter = AdapterFolder()
    adapter.addFactors(Self.query, [64, 64])
    adapter.write("sft", to: directory)
    var file = SmallCheckpoint.safetensors(adapter.tensors)
    let place = try #require(file.firstRange(of: Array("F32".utf8)))
    file.replaceSubrange(place, with: Array(type.utf8))
    directory.write("sft/adapter_model.safetensors", file)
    let fault = fault(of: "sft")
    #expect(fault?.code == .unsupportedAdapter)
    #expect(fault?.tensor?.hasSuffix(Self.down) == true)
    #expect(fault?.detail.contains(type) == true)
  }

  @Test func twoAdaptersInOneFileAreRefused() {
    let fault = fault {
      $0.add(AdapterFolder.prefix + Self.query + ".lora_A.other.weight", [4, 64])
    }
    #expect(fault?.code == .duplicateTensor)
    #expect(fault?.tensor?.contains(".lora_A.other.weight") == true)
  }

  @Test func whatOneAdapterReplacesAnotherCannotChange() throws {
    var (whole, update) = (AdapterFolder(), AdapterFolder())
    whole.add(AdapterFolder.prefix + "lm_head.weight", [320, 64])
    update.addFactors("lm_head", [320, 64])
    whole.write("whole", to: directory)
    update.write("update", to: directory)
    for names in [["whole", "update"], ["update", "whole"], ["whole", "whole"]] {
      #expect {
        _ = try CheckpointParts(adapters: names.map { .init(path: directory.file($0)) })
          .checkpoint(at: directory.file("base"))
      } throws: {
        ($0 as? CheckpointError)?.code == .duplicateTensor
      }
    }
  }

  @Test func missingFilesAreNamed() {
    directory.makeDirectory("empty")
    #expect(fault(of: "empty")?.code == .missingFile)
    #expect(fault(of: "empty")?.detail.contains("adapter_config.json") == true)
    #expect(fault(of: "absent")?.code == .missingFile)
    AdapterFolder().writeConfiguration("empty", to: directory)
    #expect(fault(of: "empty")?.detail.contains("adapter_model.safetensors") == true)
    directory.write("empty/adapter_config.json", "{")
    #expect(fault(of: "empty")?.code == .malformedJSON)
  }

  @Test(arguments: [down, up], [Float.nan, .infinity])
  func numbersThatAreNotFiniteAreNamed(name: String, value: Float) throws {
    var adapter = AdapterFolder()
    adapter.addFactors(Self.query, [64, 64])
    let index = adapter.tensors.firstIndex { $0.name == name }!
    adapter.tensors[index].values[131] = value
    adapter.write("sft", to: directory)
    let options = ConversionOptions(recipe: try Recipe(builtIn: "int4"), threadCount: 2)
    let checkpoint = try CheckpointParts(adapters: [.init(path: directory.file("sft"))])
      .checkpoint(at: directory.file("base"))
    #expect {
      _ = try Conversion(of: checkpoint, options: options).write(to: directory.file("a.vq4"))
    } throws: {
      let error = $0 as? CheckpointError
      return error?.code == .notFinite && error?.tensor?.hasSuffix(name) == true
    }
    #expect(!directory.names().contains { $0.hasPrefix("a.vq4") })
  }

  /// Head and embedding are one tensor here, but training changed only one of them.
  @Test(arguments: ["model.embed_tokens", "lm_head"]) func tiedTensorsAreRefused(module: String)
    throws
  {
    directory.makeDirectory("tied")
    let config = SmallCheckpoint.config.replacing(
      #""tie_word_embeddings": false"#, with: #""tie_word_embeddings": true"#)
    SmallCheckpoint().write(to: directory.file("tied"), config: config)
    var adapter = AdapterFolder()
    if module == "lm_head" {
      adapter.addFactors(module, [320, 64])
    } else {
      adapter.addEmbeddingFactors(module, [320, 64])
    }
    adapter.write("sft", to: directory)
    let options = ConversionOptions(recipe: try Recipe(builtIn: "int4"))
    let checkpoint = try CheckpointParts(adapters: [.init(path: directory.file("sft"))])
      .checkpoint(at: directory.file("tied"))
    #expect {
      _ = try Conversion(of: checkpoint, options: options)
    } throws: {
      let error = $0 as? ConversionError
      return error?.code == .tiedTensor && error?.subject == module + ".weight"
    }
  }

  @Test func aStoppedConversionNoticesOtherAdaptersAndScales() throws {
    var adapter = AdapterFolder()
    adapter.addFactors(Self.query, [64, 64])
    adapter.addFactors("vae_local.decoder.conv_in.conv", [96, 32, 3, 3])
    adapter.write("sft", to: directory)
    let path = directory.file("a.vq4")
    func convert(
      _ adapters: [(String, Double)], to path: String, stoppingAfter count: Int = .max
    ) throws {
      var options = ConversionOptions(recipe: try Recipe(builtIn: "int4"), threadCount: 2)
      options.keepsProgress = true
      options.resumes = true
      options.journalItemCount = 5
      let parts = CheckpointParts(
        adapters: adapters.map { .init(path: directory.file($0.0), scale: $0.1) })
      var calls = 0
      _ = try Conversion(of: parts.checkpoint(at: directory.file("base")), options: options)
        .write(
          to: path,
          isCancelled: {
            calls += 1
            return calls > count
          })
    }
    func fault(_ adapters: [(String, Double)]) -> ConversionError? {
      do {
        try convert(adapters, to: path)
        return nil
      } catch {
        return error as? ConversionError
      }
    }
    try convert([("sft", 1)], to: directory.file("whole.vq4"))
    #expect(throws: ConversionError.self) {
      try convert([("sft", 1)], to: path, stoppingAfter: 60)
    }
    for adapters in [[("sft", 0.5)], [], [("sft", 1), ("sft", 1)]] {
      #expect(fault(adapters)?.code == .otherConversion)
      #expect(fault(adapters)?.detail.contains("adapters or scales") == true)
    }
    adapter.set("lora_alpha", "7")
    adapter.writeConfiguration("sft", to: directory)
    #expect(fault([("sft", 1)])?.detail.contains("adapters or scales") == true)
    // The same bytes as at the beginning.
    AdapterFolder().writeConfiguration("sft", to: directory)
    try convert([("sft", 1)], to: path)
    #expect(try Fixtures.readFile(path) == Fixtures.readFile(directory.file("whole.vq4")))
  }
}
