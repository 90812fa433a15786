import VARJSON
import VARLite
import VARModels
import VARTestSupport
import VARTokenizer
import VARVision
import VQ4Format

/// Inputs to begin with: small, and of every kind that a reader takes.
package enum FuzzSeeds {
  package struct Seed: Sendable {
    package let name: String
    package let bytes: [UInt8]

    init(_ name: String, _ bytes: [UInt8]) {
      self.name = name
      self.bytes = bytes
    }
  }

  /// By the name of their target.
  package static func all() throws -> [(target: String, seeds: [Seed])] {
    [
      ("vq4", try models()), ("tokenizer-tables", try tables()), ("drawing-state", drawings()),
      ("canaries", [Seed("small.canaries", FuzzTarget.smallCanaries)]),
      ("prompt-cache", [Seed("small.cache", FuzzTarget.smallPromptCache)]),
      ("reference", [Seed("small.outputs", try FuzzTarget.smallReference())]),
      ("safetensors", safetensors()), ("checkpoint", try checkpoints()), ("zip", try archives()),
      ("pickle", try archives()), ("adapter", adapters()), ("json", documents()),
      ("tokenizer", try tokenizers()), ("recipe", try recipes()),
      ("evaluation", try evaluations()), ("png", try pictures(".png")),
      ("jpeg", try pictures(".jpg")), ("webp", try pictures(".webp")),
      ("picture-texts", try drawnPictures()), ("preview-map", previewMaps()),
      ("prompt-list", promptLists()),
      ("request-body", FuzzTarget.smallRequestBodies.map { Seed($0.name, Array($0.text.utf8)) }),
      ("job-state", FuzzTarget.smallJobFiles.map { Seed($0.name, $0.bytes) }),
    ]
  }

  // MARK: Models

  private static func models() throws -> [Seed] {
    let description = try model { writer throws(VQ4Error) in
      for (name, text) in [
        ("configuration", configuration), ("generation_configuration", generation),
        ("image_preprocessing", #"{"patch_size":14,"merge_size":2}"#),
      ] {
        try writer.addAttachment(name, Array(text.utf8))
      }
      try writer.addAttachment("tokenizer", smallTables, inPlace: true)
    }
    let compressed = try model(.compact) { writer throws(VQ4Error) in
      try writer.addAttachment("licence", Array(String(repeating: "freely. ", count: 40).utf8))
      try writer.beginGroup("a")
      try add("a.halves", .f16, .tiles, [16, 32], group: 0, to: writer)
      try add("a.bytes", .int8, .table, [4, 64], group: 32, to: writer)
      try writer.beginGroup("b")
      try add("b.codes", .int4, .tiles, [17, 32], group: 16, to: writer)
      try add("b.vector", .f32, .vector, [2, 3], group: 0, to: writer)
      try add("b.table", .bf16, .table, [3, 5], group: 0, to: writer)
    }
    return [
      Seed("sample.vq4", try Fixtures.bytes("../../formats/sample.vq4")),
      Seed("description.vq4", description), Seed("compressed.vq4", compressed),
      Seed("empty.vq4", try model { _ in }),
    ]
  }

  private static func model(
    _ layout: VQ4StorageLayout = .auto, _ fill: (VQ4Writer) throws -> Void
  ) throws -> [UInt8] {
    let folder = TemporaryDirectory()
    let path = folder.file("model.vq4")
    let writer = try VQ4Writer(path: path, layout: layout, overwrite: false, pageShift: 9)
    try fill(writer)
    _ = try writer.finish()
    return try Fixtures.readFile(path)
  }

  /// Adds a tensor of zeros, which every type may hold.
  private static func add(
    _ name: String, _ type: VQ4ElementType, _ layout: VQ4Layout, _ shape: [Int], group: Int,
    to writer: VQ4Writer
  ) throws(VQ4Error) {
    let description = VQ4TensorDescription(
      name: name, elementType: type, layout: layout, shape: shape, groupSize: group
    ).with(codebook: type == .int4 ? (0..<16).map { Int8($0 * 8 - 60) } : [])
    try writer.beginTensor(description)
    for role in VQ4StreamRole.allCases where description.byteCount(of: role) > 0 {
      let bytes = [UInt8](repeating: 0, count: description.byteCount(of: role))
      let result = bytes.withUnsafeBytes { bytes in
        Result { () throws(VQ4Error) in try writer.append(role, bytes) }
      }
      try result.get()
    }
    try writer.endTensor()
  }

  private static func drawings() -> [Seed] {
    let header = #"""
      {"model":"m","prompt":"p","kv":"f32","scales":[[1,1],[2,2],[3,4]],"rope_reference":[3,4],
      "cfg_scale":1.5,"tau":1.0,"top_p":0.9,"greedy":false,"seed":"7","answer":[1,2],"bits":[3,12]}
      """#
    var bytes = [UInt8](repeating: 0, count: 16) + Array("VARDRAW1".utf8)
    bytes += withUnsafeBytes(of: UInt32(header.utf8.count).littleEndian) { Array($0) }
    bytes += Array(header.utf8) + [5, 0x55, 0x05]
    let hash = bytes[16...].withUnsafeBytes { VQ4Hash(of: $0) }
    bytes.set(hash.low, at: 0, size: 8)
    bytes.set(hash.high, at: 8, size: 8)
    return [Seed("two-scales", bytes)]
  }

  private static func previewMaps() -> [Seed] {
    let weights = (0..<57).map { Float($0 % 7 - 3) / 8 }
    let words = [1, UInt32(2)] + weights.map(\.bitPattern)
    return [
      Seed("two-bits", words.flatMap { withUnsafeBytes(of: $0.littleEndian) { Array($0) } })
    ]
  }

  private static func promptLists() -> [Seed] {
    let lines = #"""
      a red circle

        Größe <image>
      {"prompt": "a blue circle", "seed": 7, "cfg_scale": 2.5, "greedy": true, "aspect": "3:2"}
      """#
    return [Seed("four-lines.txt", Array(lines.utf8))]
  }

  // MARK: Tokenizers

  private static let vocabularyFiles: [[UInt8]?] = {
    let folder = TemporaryDirectory()
    SmallCheckpoint.writeTokenizer(to: folder.path)
    return FuzzTarget.tokenizerFiles.map { try? Fixtures.readFile(folder.file($0)) }
  }()

  private static let smallTables: [UInt8] = {
    do {
      let files = Fields.files(Fields.join(vocabularyFiles), named: FuzzTarget.tokenizerFiles)
      return try FuzzFolder.with(files) { try TokenizerSource(directory: $0.path).makeTables() }
    } catch { preconditionFailure("\(error)") }
  }()

  private static func tables() throws -> [Seed] {
    let merged = try TokenizerSource(tokenizerJSON: Array(try smallTokenizer().text.utf8))
    return [
      Seed("bytes.tables", smallTables), Seed("merges.tables", try merged.makeTables()),
    ]
  }

  /// The tiny model's tokenizer with few merges.
  private static func smallTokenizer() throws -> JSONValue {
    let whole = try JSONValue(parsing: try Fixtures.bytes("tiny/tokenizer.json"))
    guard var document = whole.objectValue, var model = document["model"]?.objectValue,
      let vocabulary = model["vocab"]?.objectValue, let merges = model["merges"]?.arrayValue
    else { throw FixtureError("tiny/tokenizer.json: no vocabulary") }
    let added = (document["added_tokens"]?.arrayValue ?? []).prefix(3)
    model["vocab"] = .object(
      JSONObject(vocabulary.members.filter { $0.value.integerValue.map { $0 < 260 } ?? false }))
    model["merges"] = .array(Array(merges.prefix(4)))
    document["model"] = .object(model)
    document["added_tokens"] = .array(
      added.enumerated().map { index, token in
        guard var token = token.objectValue else { return token }
        token["id"] = .integer(260 + index)
        return .object(token)
      })
    return .object(document)
  }

  private static func tokenizers() throws -> [Seed] {
    var fields = vocabularyFiles
    fields[1]?.removeLast()
    fields[1]? += Array(#","ab":256,"abc":257}"#.utf8)
    fields[2] = Array("#version: 0.2\na b\nab c\n".utf8)
    fields[5] = Array("{% for message in messages %}{{ message }}{% endfor %}".utf8)
    let document = Array(try smallTokenizer().text.utf8)
    let configuration = #"""
      {"added_tokens_decoder":{"263":{"content":"<x>","lstrip":false,"normalized":true,
      "rstrip":false,"single_word":false,"special":false}},
      "chat_template":[{"name":"default","template":"{{ messages }}"}]}
      """#
    return [
      Seed("vocabulary", Fields.join(fields)),
      Seed(
        "document",
        Fields.join([
          document, nil, nil, Array(configuration.utf8), Array(#"{"<y>":264}"#.utf8), nil,
          Array(#"{"chat_template":"{{ messages }}"}"#.utf8),
        ])),
    ]
  }

  // MARK: Checkpoints

  private static let shard: [UInt8] = SmallCheckpoint.safetensors([
    SmallCheckpoint.Tensor(name: "a.weight", shape: [2, 3], values: [1, 2, 3, 4, 5, 6]),
    SmallCheckpoint.Tensor(name: "b.bias", shape: [1], values: [0.5]),
    SmallCheckpoint.Tensor(name: "empty", shape: [0, 4], values: []),
  ])

  private static func safetensors() -> [Seed] {
    let header = #"""
      {"__metadata__":{"format":"pt"},"h":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},
      "i":{"dtype":"I64","shape":[],"data_offsets":[4,12]},
      "n":{"dtype":"BF16","shape":[1,2],"data_offsets":[12,16]}}
      """#
    var types = [UInt8](repeating: 0, count: 8)
    types.set(header.utf8.count, at: 0, size: 8)
    types += Array(header.utf8) + [UInt8](repeating: 0x3C, count: 16)
    return [Seed("floats.safetensors", shard), Seed("types.safetensors", types)]
  }

  private static let configuration = SmallCheckpoint.config

  private static let generation = #"""
    {"eos_token_id":[2,1],"repetition_penalty":1.05,"do_sample":true,"temperature":0.7,"top_k":20,
    "top_p":0.8,"num_beams":1,"min_length":0,"guidance_scale":null,"stop_strings":null,"new_key":3}
    """#

  private static func checkpoints() throws -> [Seed] {
    let index = #"""
      {"metadata":{"total_size":28},"weight_map":{"a.weight":"model-1.safetensors",
      "b.bias":"model-1.safetensors","empty":"model-1.safetensors"}}
      """#
    return try [
      ("small", Array(configuration.utf8)), ("tiny", Fixtures.bytes("tiny/config.json")),
      ("older", Fixtures.bytes("saved/transformers-4.57/config.json")),
      ("newer", Fixtures.bytes("saved/transformers-5.24/config.json")),
    ].map { name, configuration in
      Seed(
        name,
        Fields.join([
          Array(index.utf8), configuration,
          name == "small"
            ? Array(generation.utf8) : try Fixtures.bytes("tiny/generation_config.json"),
          try Fixtures.bytes("tiny/preprocessor_config.json"), Array("freely".utf8), shard,
        ]))
    }
  }

  private static func archives() throws -> [Seed] {
    let names = [
      "double", "module", "protocol0", "protocol1", "protocol2", "protocol4", "transposed",
    ]
    let tensor = TorchArchive.Tensor(
      storageType: "HalfStorage", shape: [2, 2], bytes: [UInt8](repeating: 0x3C, count: 8))
    let groups = TorchArchive.file(
      .dictionary([
        ("trainer", .dictionary([("a", .tensor(tensor))])),
        ("model", .dictionary([("b", .tensor(tensor)), ("step", .integer(5))])),
      ]))
    return try names.map { Seed("\($0).pth", try Fixtures.bytes("pth/\($0).pth")) } + [
      Seed("groups.pth", groups)
    ]
  }

  private static func adapters() -> [Seed] {
    func tensor(_ name: String, _ shape: [Int]) -> SmallCheckpoint.Tensor {
      let count = shape.reduce(1, *)
      return SmallCheckpoint.Tensor(
        name: "base_model.model.\(name)", shape: shape,
        values: (0..<count).map { Float($0) / 8 - 0.5 })
    }
    let (linear, embedding, convolution) = (
      FuzzTarget.adapterShapes[0], FuzzTarget.adapterShapes[1], FuzzTarget.adapterShapes[2]
    )
    let weights = SmallCheckpoint.safetensors([
      tensor(linear.module + ".lora_A.weight", [2, 4]),
      tensor(linear.module + ".lora_B.weight", [8, 2]),
      tensor(embedding.module + ".lora_embedding_A", [2, 6]),
      tensor(embedding.module + ".lora_embedding_B", [4, 2]),
      tensor(convolution.module + ".lora_A.weight", [1, 2, 1, 1]),
      tensor(convolution.module + ".lora_B.weight", [4, 1, 1, 1]),
    ])
    let settings = #"""
      {"peft_type":"LORA","r":2,"lora_alpha":4,"bias":"none","use_rslora":true,"fan_in_fan_out":false,
      "init_lora_weights":true,"modules_to_save":null,"rank_pattern":{"^visual\\.(conv|x+)$":1},
      "alpha_pattern":{"q_[a-p]roj":3.5},"target_modules":["q_proj"],"loftq_config":{}}
      """#
    let whole = SmallCheckpoint.safetensors([tensor("model.embed_tokens.weight", [6, 4])])
    let saved = #"{"peft_type":"LORA","r":1,"lora_alpha":1,"modules_to_save":["embed_tokens"]}"#
    return [
      Seed("factors", Fields.join([Array(settings.utf8), weights])),
      Seed("whole", Fields.join([Array(saved.utf8), whole])),
    ]
  }

  // MARK: Texts and pictures

  private static func documents() -> [Seed] {
    let all = #"""
      {"a":[1,-2.5e3,0,1e-7,true,false,null],"\u00e9\ud83d\ude80\n":"\"\\\/\b\f\n\r\t","":{"x":[[[]]]}}
      """#
    return [
      Seed("all.json", Array(all.utf8)), Seed("list.json", Array("[[],{},\"é\",-0.0]".utf8)),
      Seed("number.json", Array("9223372036854775807".utf8)),
    ]
  }

  private static func recipes() throws -> [Seed] {
    let all = #"""
      {"recipe_version":1,"name":"n","architecture":"vargpt_v1_1","description":"d",
      "limits":{"int4":0.2},"rules":[{"match":["*.q_*","llm.**.weight"],"component":["llm","vis*"],
      "layers":["first:1","last:2"],"precision":"int4","group_size":32,"count":3,"optional":true,
      "max_relative_error":0.5,"why":"w"},{"match":"**","precision":"f16"}]}
      """#
    return [
      Seed("all.json", Array(all.utf8)),
      Seed("balanced.json", try Fixtures.bytes("../../conversions/balanced.json")),
    ]
  }

  private static func evaluations() throws -> [Seed] {
    let whole = try JSONValue(parsing: try Fixtures.bytes("shapes-eval/eval.json"))
    guard var document = whole.objectValue else { throw FixtureError("eval.json: no object") }
    for key in ["vqa", "generation", "edit"] {
      document[key] = .array(Array((document[key]?.arrayValue ?? []).prefix(2)))
    }
    return [Seed("few.json", Array(JSONValue.object(document).text.utf8))]
  }

  /// A whole one and one that was stopped, of every setting.
  private static func drawnPictures() throws -> [Seed] {
    let settings = #"""
      "seed":"7","cfg_scale":1.5,"tau":1.0,"top_p":0.9,"greedy":false,"kv":"f32",
      "scales":[[1,1],[2,2],[3,4]],"rope_reference":[3,4],"answer":[1,2]
      """#
    let more = #"""
      ,"guided_scales":2,"dense_scales":1,"coarse_seeds":[[1,"5"],[2,"6"]],"at_once":true,
      "pictures":["p"],"drawn_scales":2,"system":"s","min_pixels":784,"max_pixels":99999
      """#
    let image = RGBImage(width: 2, height: 1, pixels: [1, 2, 3, 4, 5, 6])
    return try [("whole.png", settings), ("stopped.png", settings + more)].map { name, settings in
      var texts = [
        (key: "Software", value: "varlite"), ("prompt", "Größe"), ("seed", "7"),
        ("settings", "{\"prompt_hash\":\"p\",\(settings)}"), ("model", "m"),
      ]
      texts.append(("hash", PictureTexts.hash(texts, image)))
      return Seed(name, try PNGEncoder.encode(image, text: texts))
    }
  }

  private static func pictures(_ ending: String) throws -> [Seed] {
    let names = TemporaryDirectory.names(of: Fixtures.path("images"))
    return try names.filter { $0.hasSuffix(ending) }
      .map { Seed($0, try Fixtures.bytes("images/\($0)")) }
  }
}
