import Testing
import VARCheckpoint
import VARConversion
import VARJSON
import VARQuantization
import VARTestSupport
import VQ4Format

/// Checkpoints that differ only in names, order or harmless additions give the same file.
@Suite struct SavedFormTests {
  /// The names that version 5 and late versions 4 save.
  private static func nested(_ name: String) -> String {
    if name.hasPrefix("visual.") { return "model." + name }
    return name.hasPrefix("model.") ? "model.language_model." + name.dropFirst(6) : name
  }

  private func convert(
    _ path: String, _ directory: TemporaryDirectory, recipe: String = "int4"
  ) throws -> (file: VQ4File, notes: [String], hash: String) {
    let output = directory.file("\(directory.names().count).vq4")
    let conversion = try Conversion(
      of: Checkpoint(path: path),
      options: ConversionOptions(recipe: try Recipe(builtIn: recipe), threadCount: 2))
    let result = try conversion.write(to: output)
    return (try VQ4File(path: output), conversion.notes, result.contentHash)
  }

  /// What real versions of transformers wrote of the tiny checkpoint, with its weights under their names.
  @Test(arguments: ["transformers-5.24", "transformers-4.57"])
  func whatTransformersSavesGivesTheSameFile(version: String) throws {
    let folder = try CheckpointFolder(copying: Fixtures.path("tiny")) {
      $0.hasPrefix("model")
    }
    try folder.add(from: Fixtures.path("saved/" + version))
    try folder.renameTensors(Self.nested)
    let outputs = TemporaryDirectory()
    let expected = try convert(Fixtures.path("tiny"), outputs)
    let found = try convert(folder.path, outputs)
    try expectSameContent(found.file, expected.file)
    // The template stands elsewhere and says the same.
    #expect(try found.file.attachment("chat_template") == expected.file.attachment("chat_template"))
    #expect(found.notes == [])
    let check = try ConversionCheck(of: found.file.path, against: Checkpoint(path: folder.path))
    #expect(try check.run(threadCount: 1).allSatisfy { $0.error.relative < 0.2 })
  }

  @Test(arguments: [
    ("model.", "language_model."), ("model.", "language_model.model."),
    ("lm_head.", "language_model.lm_head."), ("visual.", "model.visual."),
    ("vargpt_gen.", "model.vargpt_gen."), ("vae_local.", "model.vae_local."),
    ("image_gen_projector", "model.image_gen_projector"),
    ("sos_embedding.", "model.sos_embedding."),
  ])
  func everyKnownPlaceOfAPartIsFound(part: String, place: String) throws {
    let outputs = TemporaryDirectory()
    let folder = CheckpointFolder()
    SmallCheckpoint().write(to: folder.path)
    let expected = try convert(folder.path, outputs)
    try folder.renameTensors { $0.hasPrefix(part) ? place + $0.dropFirst(part.count) : $0 }
    try expectSameContent(try convert(folder.path, outputs).file, expected.file)
  }

  @Test func twoTensorsForOnePartAreBothNamed() throws {
    let folder = CheckpointFolder()
    SmallCheckpoint().write(to: folder.path)
    try folder.addTensor(
      "model.language_model.norm.weight", type: "F32", shape: [64],
      bytes: [UInt8](repeating: 0, count: 256))
    #expect {
      try convert(folder.path, TemporaryDirectory())
    } throws: {
      let text = "\($0)"
      return ($0 as? CheckpointError)?.code == .duplicateTensor
        && text.contains("\"model.norm.weight\"")
        && text.contains("\"model.language_model.norm.weight\"")
    }
  }

  @Test func tensorsThatNobodyNeedsAreSkippedWithACount() throws {
    let outputs = TemporaryDirectory()
    let folder = CheckpointFolder()
    SmallCheckpoint().write(to: folder.path)
    let expected = try convert(folder.path, outputs)
    let extras: [(String, String, [Int], Int)] = [
      ("value_head.weight", "F32", [64], 256), ("model.layers.0.self_attn.masked", "BOOL", [3], 3),
      ("step", "F64", [], 8), ("a.scale", "F8_E4M3", [2, 2], 4), ("b", "F4", [3], 2),
      ("ids", "I32", [1], 4), ("empty", "F32", [0, 4], 0),
    ]
    for (name, type, shape, count) in extras {
      try folder.addTensor(
        name, type: type, shape: shape, bytes: [UInt8](repeating: 7, count: count))
    }
    let found = try convert(folder.path, outputs)
    try expectSameContent(found.file, expected.file)
    #expect(
      found.notes == [
        "preprocessor_config.json: is not there; pictures are prepared as Qwen2-VL does",
        "skipped, since no part of the model needs it: 7 tensors (a.scale, b, empty, ids, ...)",
      ])
    let plan = try Conversion(
      of: Checkpoint(path: folder.path),
      options: ConversionOptions(recipe: try Recipe(builtIn: "int4"))
    ).plan
    #expect(plan.skipped.map(\.name) == extras.map(\.0).sorted())
    #expect(plan.skipped.map(\.byteCount).reduce(0, +) == 277)
    // Their bytes belong to the shard, whose hash stays that of the whole file.
    let shard = try found.file.jsonAttachment("provenance")["shards"]?.arrayValue?.first
    let bytes = try Fixtures.readFile(folder.directory.file("model.safetensors"))
    #expect(try shard?["pieces_xxh3_128"]?.stringValue == piecewiseHash(bytes))
  }

  @Test(arguments: ["F64", "BOOL", "I64", "F8_E5M2", "F4"])
  func aNeededTensorOfAnotherTypeIsNamedWithIt(type: String) throws {
    let folder = CheckpointFolder()
    var small = SmallCheckpoint()
    small.remove("model.norm.weight")
    small.write(to: folder.path)
    let size = type == "F64" || type == "I64" ? 8 : 1
    try folder.addTensor(
      "model.norm.weight", type: type, shape: [64], bytes: [UInt8](repeating: 0, count: 64 * size))
    #expect {
      try convert(folder.path, TemporaryDirectory())
    } throws: {
      let error = $0 as? ConversionError
      return error?.code == .wrongType && error?.subject == "model.norm.weight"
        && error?.detail.contains(type) == true
    }
  }

  @Test func theIndexNeedNotNameEverything() throws {
    let folder = try CheckpointFolder(copying: Fixtures.path("tiny"))
    try folder.addTensor(
      "ema.decay", type: "F64", shape: [1], bytes: [UInt8](repeating: 0, count: 8),
      to: "model-00002-of-00003.safetensors")
    let outputs = TemporaryDirectory()
    let found = try convert(folder.path, outputs)
    try expectSameContent(found.file, try convert(Fixtures.path("tiny"), outputs).file)
    #expect(
      found.notes == ["skipped, since no part of the model needs it: 1 tensor (ema.decay)"])
  }

  @Test func harmlessKeysAndOrderChangeNothingAndAreSaid() throws {
    let folder = try CheckpointFolder(copying: Fixtures.path("tiny"))
    for name in ["config.json", "generation_config.json", "preprocessor_config.json"] {
      let document = try JSONValue(parsing: Fixtures.bytes("tiny/" + name))
      var members = try #require(document.objectValue).members.map { ($0.key, $0.value) }
      members.reverse()
      members.insert(("colour", .string("red")), at: 1)
      folder.directory.write(name, "\u{FEFF}" + JSONValue.object(JSONObject(members)).prettyText)
    }
    let outputs = TemporaryDirectory()
    let found = try convert(folder.path, outputs)
    let expected = try convert(Fixtures.path("tiny"), outputs)
    try expectSameContent(found.file, expected.file)
    #expect(found.hash == expected.hash)
    #expect(
      found.notes == [
        "config.json: not known and without effect: colour",
        "generation_config.json: not known and without effect: colour",
        "preprocessor_config.json: not known and without effect: colour",
      ])
  }

  @Test func ofSeveralEndsTheOneOfATurnCounts() throws {
    let folder = CheckpointFolder()
    let config = SmallCheckpoint.config.replacing(
      "\"eos_token_id\": 305", with: "\"eos_token_id\": [306, 305]")
    SmallCheckpoint().write(to: folder.path, config: config)
    let file = try convert(folder.path, TemporaryDirectory()).file
    #expect(try file.jsonAttachment("configuration")["eos_token_id"]?.integerValue == 305)
    let ends = try file.jsonAttachment("generation_configuration")["eos_token_id"]?.arrayValue
    #expect(ends?.map(\.integerValue) == [306, 305])
  }

  @Test func aVARGPTCheckpointMayBeSavedUnderTheTypeThatItExtends() throws {
    let folder = try CheckpointFolder(copying: Fixtures.path("tiny"))
    let text = String(decoding: try Fixtures.bytes("tiny/config.json"), as: UTF8.self)
    folder.directory.write("config.json", text.replacing("vargpt_qwen2_vl", with: "qwen2_vl"))
    let outputs = TemporaryDirectory()
    let checkpoint = try CheckpointParts().checkpoint(at: folder.path)
    _ = try Conversion(
      of: checkpoint, options: ConversionOptions(recipe: try Recipe(builtIn: "int4"))
    ).write(to: outputs.file("found.vq4"))
    let expected = try convert(Fixtures.path("tiny"), outputs)
    try expectSameContent(try VQ4File(path: outputs.file("found.vq4")), expected.file)
  }

  @Test func anotherFamilyIsNamed() throws {
    let folder = CheckpointFolder()
    let config = "{\"model_type\": \"llava\", " + SmallCheckpoint.config.dropFirst()
    SmallCheckpoint().write(to: folder.path, config: config)
    #expect {
      try convert(folder.path, TemporaryDirectory())
    } throws: {
      "\($0)".contains("model_type: \"llava\" is another family of models")
    }
  }
}
