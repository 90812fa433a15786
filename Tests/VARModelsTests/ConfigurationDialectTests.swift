import Testing
import VARJSON
import VARModels
import VARTestSupport

/// One model, as every version of transformers spells its configuration.
@Suite struct ConfigurationDialectTests {
  private let plain: JSONObject

  init() throws {
    plain = try #require(JSONValue(parsing: Fixtures.bytes("tiny/config.json")).objectValue)
  }

  private func read(_ object: JSONObject) throws -> VARGPTConfiguration {
    try VARGPTConfiguration(config: .object(object))
  }

  /// The configuration with members set by their dotted keys; `null` takes a member away.
  private func edited(_ members: [(String, String)]) throws -> JSONObject {
    func set(_ object: JSONObject, _ path: ArraySlice<Substring>, _ value: JSONValue) -> JSONObject
    {
      var object = object
      let key = String(path[path.startIndex])
      if path.count == 1 {
        object[key] = value
      } else {
        let inner = object[key]?.objectValue ?? JSONObject()
        object[key] = .object(set(inner, path.dropFirst(), value))
      }
      return object
    }
    return try members.reduce(plain) { object, member in
      set(object, member.0.split(separator: ".")[...], try JSONValue(parsing: member.1))
    }
  }

  private func fault(_ members: (String, String)...) throws -> ConfigurationError? {
    let object = try edited(members)
    do {
      _ = try read(object)
      return nil
    } catch {
      return error as? ConfigurationError
    }
  }

  /// Keys of the language model at the root of older files.
  private static let languageKeys = [
    "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
    "num_key_value_heads", "vocab_size", "max_position_embeddings", "hidden_act", "rms_norm_eps",
    "tie_word_embeddings", "rope_theta", "rope_scaling", "eos_token_id",
  ]

  @Test(arguments: [true, false]) func keysOfTheLanguageModelMayStandUnderTextConfig(
    alsoAtTheRoot: Bool
  ) throws {
    var object = plain
    // In reverse: the order of keys means nothing.
    let members = plain.members.reversed().filter { Self.languageKeys.contains($0.key) }
    object["text_config"] = .object(JSONObject(members.map { ($0.key, $0.value) }))
    if !alsoAtTheRoot { for key in Self.languageKeys { object[key] = nil } }
    #expect(try read(object) == read(plain))
  }

  @Test func extensionsMayStandUnderTextConfigToo() throws {
    var object = plain
    let keys = ["vargpt_gen", "special_tokens", "image_token_id", "vision_start_token_id"]
    object["text_config"] = .object(
      JSONObject(keys.compactMap { key in plain[key].map { (key, $0) } }))
    #expect(try read(object) == read(plain))
    for key in keys { object[key] = nil }
    #expect(try read(object) == read(plain))
  }

  @Test(arguments: ["", "text_config."], ["rope_parameters", "rope_scaling"])
  func rotarySettingsAreFoundInEveryPlace(place: String, name: String) throws {
    let base = [("rope_theta", "null"), ("rope_scaling", "null")]
    let object = try edited(
      base + [
        (place + name, #"{"rope_type":"default","rope_theta":10000.0,"mrope_section":[6,4,6]}"#)
      ])
    var expected = try read(plain)
    expected.languageModel.ropeTheta = 10_000
    expected.languageModel.mropeSection = [6, 4, 6]
    #expect(try read(object) == expected)
  }

  @Test(arguments: [
    ("text_config.hidden_size", "256", "hidden_size"),
    ("text_config.vocab_size", "831", "vocab_size"),
    ("text_config.rms_norm_eps", "1e-5", "rms_norm_eps"),
    ("text_config.tie_word_embeddings", "false", "tie_word_embeddings"),
    ("text_config.eos_token_id", "[770,768]", "eos_token_id"),
    ("text_config.rope_theta", "10000", "rope_theta"),
    ("rope_parameters.rope_theta", "10000", "rope_theta"),
    ("rope_scaling.rope_theta", "10000", "rope_theta"),
    ("text_config.rope_parameters.rope_theta", "10000", "rope_theta"),
    ("text_config.rope_parameters.mrope_section", "[6,4,6]", "rope_scaling.mrope_section"),
    ("text_config.special_tokens.image_gen_end_token_id", "1", "special_tokens"),
    ("text_config.vargpt_gen.vae.base_ch", "64", "vargpt_gen.vae.base_ch"),
    ("text_config.image_token_id", "3", "image_token_id"),
    ("dtype", "\"float16\"", "torch_dtype"),
    ("vision_config.patch_size", "16", "spatial_patch_size"),
    ("vision_config.hidden_size", "96", "hidden_size"), ("head_dim", "64", "hidden_size"),
    ("vision_config.num_attention_heads", "4", "num_heads"),
  ])
  func keysThatContradictEachOtherAreBothNamed(key: String, value: String, other: String) throws {
    let fault = try #require(try fault((key, value)))
    #expect(fault.code == .inconsistent)
    #expect(fault.description.contains(key) && fault.description.contains(other), "\(fault)")
  }

  @Test func equalKeysInSeveralPlacesAreNoContradiction() throws {
    let object = try edited([
      ("text_config.rms_norm_eps", "0.000001"), ("text_config.hidden_size", "128.0"),
      ("dtype", "\"torch.bfloat16\""), ("text_config.dtype", "\"float32\""),
      ("text_config.eos_token_id", "[770]"), ("text_config.vocab_size", "null"),
      ("rope_parameters", #"{"type":"mrope","rope_theta":1e6,"mrope_section":[4,6,6]}"#),
      ("head_dim", "32"), ("vision_config.patch_size", "[14,14]"),
      ("vision_config.temporal_patch_size", "[2,2]"), ("vision_config.num_attention_heads", "2"),
    ])
    #expect(try read(object) == read(plain))
  }

  @Test(arguments: ["yarn", "dynamic", "linear", "longrope", "llama3", "proportional"])
  func otherKindsOfPositionsAreRefused(type: String) throws {
    for place in ["rope_scaling", "rope_parameters", "text_config.rope_scaling"] {
      for name in ["type", "rope_type"] {
        let fault = try fault(("\(place).\(name)", "\"\(type)\""), ("\(place).factor", "4"))
        #expect(fault?.code == .unsupported)
        #expect(fault?.key == "\(place).\(name)" && fault?.detail.contains(type) == true)
      }
    }
  }

  @Test(arguments: [
    ("use_sliding_window", "true"), ("text_config.use_sliding_window", "true"),
    ("layer_types", #"["full_attention","sliding_attention"]"#),
    ("model_type", "\"llama\""), ("model_type", "\"qwen2_5_vl\""),
    ("text_config.model_type", "\"qwen3\""), ("vision_config.model_type", "\"qwen2_5_vl\""),
    ("quantization_config", #"{"quant_method":"gptq"}"#), ("no_repeat_ngram_size", "3"),
    ("bad_words_ids", "[[1]]"), ("text_config.suppress_tokens", "[1,2]"),
    ("rope_scaling.mrope_interleaved", "true"), ("partial_rotary_factor", "0.5"),
    ("rope_scaling.full_attention", #"{"rope_type":"default"}"#),
    ("vision_config.rope_parameters.rope_type", "\"yarn\""),
  ])
  func whatIsNotComputedIsRefusedByName(key: String, value: String) throws {
    let fault = try #require(try fault((key, value)))
    #expect(fault.code == .unsupported)
    #expect(fault.key == key)
  }

  @Test(arguments: ["qwen2_vl", "vargpt_qwen2_vl"]) func theFamilyHasTwoNames(name: String) throws {
    let object = try edited([
      ("model_type", "\"\(name)\""), ("text_config.model_type", "\"\(name)_text\""),
      ("vision_config.model_type", "\"\(name)_vision\""),
    ])
    #expect(try read(object) == read(plain))
    #expect(try fault(("model_type", "null")) == nil)
  }

  @Test func settingsThatAskForNothingAreAccepted() throws {
    let object = try edited([
      ("no_repeat_ngram_size", "0"), ("bad_words_ids", "null"), ("suppress_tokens", "[]"),
      ("num_beams", "1"), ("layer_types", #"["full_attention"]"#), ("sliding_window", "null"),
      ("quantization_config", "null"), ("use_sliding_window", "null"), ("min_length", "0"),
      ("vision_config.rope_parameters", #"{"rope_theta":10000.0,"rope_type":"axial"}"#),
    ])
    #expect(try read(object) == read(plain))
    #expect(try ConfigurationDialect(.object(object)).unknownKeys == [])
  }

  @Test func unknownKeysAreNamedOnce() throws {
    let object = try edited([
      ("num_beams", "4"), ("colour", "\"red\""), ("nothing", "null"),
      ("text_config.mood", "1"), ("vision_config.window_size", "112"),
      ("rope_scaling.factor", "2"), ("vargpt_gen.infinity.speed", "9"),
    ])
    #expect(
      try ConfigurationDialect(.object(object)).unknownKeys == [
        "num_beams", "colour", "text_config.mood", "rope_scaling.factor",
        "vision_config.window_size", "vargpt_gen.infinity.speed",
      ])
    #expect(try read(object) == read(plain))
    #expect(try ConfigurationDialect(.object(plain)).unknownKeys == [])
  }

  @Test func severalIdsMayEndAText() throws {
    let object = try edited([("eos_token_id", "[770,768]")])
    let dialect = try ConfigurationDialect(.object(object))
    #expect(dialect.endOfSequenceTokens == [770, 768])
    #expect(try read(object) == read(plain))
    #expect(try fault(("eos_token_id", "[]"))?.code == .outOfRange)
    #expect(try fault(("eos_token_id", "\"x\""))?.key == "eos_token_id")
  }

  @Test func theFlatFormIsItsOwnFlatForm() throws {
    let once = try ConfigurationDialect(.object(plain)).json
    #expect(try ConfigurationDialect(once).json == once)
    let written = try read(plain).json
    #expect(try VARGPTConfiguration(config: written).json == written)
  }

  @Test func aScheduleOfAnUnknownNameIsRefused() throws {
    let fault = try fault(("vargpt_gen.pn", "\"7M\""), ("vargpt_gen.scale_schedule", "null"))
    #expect(fault?.key == "vargpt_gen.pn")
  }

  /// ATT-2: no value is passed over because it is of another kind.
  @Test(arguments: [
    ("vargpt_gen.scale_schedule", "7"), ("vargpt_gen.scale_schedule", "\"0.25M\""),
    ("vargpt_gen.scale_schedule", "{}"), ("vargpt_gen.scale_schedule", "[]"),
    ("vargpt_gen.scale_schedule", "[[2,2],[4,4]]"),
    ("vargpt_gen.scale_schedule", "[[1,1,2],[1,4,4]]"),
    ("vargpt_gen.scale_schedule", "[[7,1,1]]"), ("vargpt_gen.scale_schedule", "[[1,1],4]"),
    ("vargpt_gen.rope_reference_hw", "[2,64,64]"), ("vargpt_gen.pn", "25"), ("head_dim", "\"x\""),
    ("head_dim", "0"), ("eos_token_id", "-1"), ("eos_token_id", "4194304"),
  ])
  func valuesOfAWrongKindAreNamed(key: String, value: String) throws {
    #expect(try fault((key, value))?.key == key)
  }

  @Test func aScheduleWithoutANameIsRefused() throws {
    let fault = try fault(("vargpt_gen.pn", "\"\""), ("vargpt_gen.scale_schedule", "null"))
    #expect(fault?.key == "vargpt_gen.pn")
  }

  @Test(arguments: ["-1", "4194304", "[-1]", "[4194304]", "\"x\"", "1.5", "true", "{}"])
  func idsThatEndATextAreInRange(value: String) throws {
    let document = try JSONValue(parsing: "{\"eos_token_id\":\(value)}")
    #expect {
      try GenerationDefaults(config: document, endOfSequence: [1])
    } throws: { ($0 as? ConfigurationError)?.key == "generation_config.eos_token_id" }
  }

  @Test(arguments: [
    #"{"no_repeat_ngram_size":2}"#, #"{"bad_words_ids":[[3]]}"#, #"{"suppress_tokens":[3]}"#,
    #"{"begin_suppress_tokens":[3]}"#, #"{"sequence_bias":{"a":1}}"#, #"{"min_new_tokens":5}"#,
    #"{"forced_eos_token_id":5}"#, #"{"stop_strings":"x"}"#,
  ])
  func settingsThatChangeTextsAreRefused(text: String) throws {
    let document = try JSONValue(parsing: text)
    #expect {
      try GenerationDefaults(config: document, endOfSequence: [1])
    } throws: {
      let error = $0 as? ConfigurationError
      let key = document.objectValue?.members.first?.key ?? ""
      return error?.code == .unsupported && error?.key == "generation_config." + key
    }
  }

  @Test func nullsInGenerationSettingsAreAbsent() throws {
    let document = try JSONValue(
      parsing: #"{"eos_token_id":null,"repetition_penalty":null,"bad_words_ids":null,"x":1}"#)
    let defaults = try GenerationDefaults(config: document, endOfSequence: [7, 8])
    #expect(defaults.endOfSequenceTokens == [7, 8] && defaults.repetitionPenalty == 1)
    #expect(try GenerationDefaults.unknownKeys(of: document) == ["x"])
  }
}
