import Testing
import VARCheckpoint
import VARConversion
import VARQuantization
import VARTestSupport

/// Files whose size and header are right and whose content is not there.
@Suite struct StoppedDownloadTests {
  /// Puts tensors at the end of the file, in this order.
  private func moveToTheEnd(_ names: [String], _ small: inout SmallCheckpoint) {
    for name in names {
      let tensor = small[name]
      small.remove(name)
      small.add(name, 1)
      small[name] = tensor
    }
  }

  /// The error of a conversion of the small checkpoint, of whose file `zeroed` bytes at the end are zeros.
  private func fault(
    allowsZeroWeights: Bool = false, _ change: (inout SmallCheckpoint) -> Void = { _ in },
    zeroed: (SmallCheckpoint) -> Int = { _ in 0 }
  ) throws -> ConversionError? {
    let directory = TemporaryDirectory()
    var small = SmallCheckpoint()
    change(&small)
    small.write(to: directory.path)
    var file = SmallCheckpoint.safetensors(small.tensors)
    let count = zeroed(small)
    file.replaceSubrange(
      (file.count - count)..., with: [UInt8](repeating: 0, count: count))
    directory.write("model.safetensors", file)
    var options = ConversionOptions(recipe: try Recipe(builtIn: "int8"), threadCount: 2)
    options.allowsZeroWeights = allowsZeroWeights
    do {
      _ = try Conversion(of: Checkpoint(path: directory.path), options: options)
        .write(to: directory.file("a.vq4"))
      return nil
    } catch let error as ConversionError {
      #expect(!directory.names().contains { $0.hasPrefix("a.vq4") })
      #expect(!error.description.contains("\n") && !error.description.contains("--"))
      return error
    }
  }

  /// Bytes from inside a tensor to the end of the file.
  private func byteCount(_ small: SmallCheckpoint, from name: String, element: Int) -> Int {
    4 * (small.tensors[small.index(name)...].reduce(0) { $0 + $1.values.count } - element)
  }

  /// Every matrix is named in which the zeros begin: the first of the file, dead ones, folded ones, convolutions, the
  /// last.
  @Test(arguments: [
    ("model.embed_tokens.weight", 7), ("model.layers.0.mlp.up_proj.weight", 64 * 50 + 1),
    ("visual.patch_embed.proj.weight", 1), ("vargpt_gen.text_proj_for_ca.0.weight", 4000),
    ("vargpt_gen.block_chunks.0.module.0.ada_gss", 100), ("sos_embedding.weight", 64 * 300),
    ("lm_head.weight", 64 * 310), ("vae_local.decoder.conv_out.conv.weight", 800),
  ])
  func zerosFromInsideAMatrixToTheEndAreRefused(name: String, element: Int) throws {
    let fault = try fault(zeroed: { byteCount($0, from: name, element: element) })
    #expect(fault?.code == .zeroWeights)
    #expect(fault?.subject == name)
    #expect(fault?.detail.contains("fetch the file again") == true)
  }

  /// Where the zeros begin between two tensors, or in a vector, the first matrix behind it is named.
  @Test(arguments: [
    ("model.layers.0.mlp.gate_proj.weight", "model.layers.0.mlp.gate_proj.weight", 0),
    ("visual.blocks.0.norm1.weight", "visual.blocks.0.attn.qkv.weight", 3),
  ])
  func zerosFromATensorsStartAreRefused(first: String, named: String, element: Int) throws {
    let fault = try fault { small in
      moveToTheEnd([first, "visual.blocks.0.attn.qkv.bias", named], &small)
    } zeroed: {
      byteCount($0, from: first, element: element)
    }
    #expect(fault?.code == .zeroWeights)
    #expect(fault?.subject == named)
  }

  @Test(
    arguments: [
      ("model.layers.1.self_attn.q_proj.weight", 0),
      ("model.layers.1.self_attn.q_proj.weight", 0.5),
      ("vargpt_gen.block_chunks.2.module.0.ada_gss", 0),
      ("vae_local.encoder.conv_in.conv.weight", 1),
      ("vargpt_gen.lvl_embed.weight", -0.25), ("vargpt_gen.cfg_uncond", 0),
    ] as [(String, Float)])
  func aMatrixOfOneValueIsRefused(name: String, value: Float) throws {
    let fault = try fault { small in
      small[name].values = small[name].values.map { _ in value }
    }
    #expect(fault?.code == .zeroWeights)
    #expect(fault?.subject == name)
    #expect(fault?.detail.contains("\(SmallCheckpoint()[name].values.count) elements") == true)
    #expect(
      try self.fault(allowsZeroWeights: true) { small in
        small[name].values = small[name].values.map { _ in value }
      } == nil)
  }

  /// One other element anywhere is enough, wherever the pieces end that the file is read in.
  @Test(arguments: [0, 1, 1023, 1024, 20_479]) func oneOtherElementIsEnough(index: Int) throws {
    let name = "model.embed_tokens.weight"
    #expect(SmallCheckpoint()[name].values.count == 20_480)
    #expect(
      try fault { small in
        small[name].values = small[name].values.map { _ in 0.5 }
        small[name].values[index] = 0.25
      } == nil)
  }

  /// Vectors, and matrices without effect, may be one value.
  @Test(arguments: [
    "model.norm.weight", "model.layers.0.self_attn.q_proj.bias", "vargpt_gen.pos_start",
    "vargpt_gen.block_chunks.0.module.0.sa.scale_mul_1H11", "vargpt_gen.text_proj_for_ca.2.weight",
    "image_gen_projector.ln_q.bias", "vae_local.decoder.conv_out.conv.bias",
  ])
  func otherTensorsMayBeOneValue(name: String) throws {
    #expect(
      try fault { small in
        small[name].values = small[name].values.map { _ in 0 }
        moveToTheEnd([name], &small)
      } == nil)
  }

  /// The tokenizer has ids up to 310; rows 311...319 belong to no token.
  @Test(arguments: ["lm_head.weight", "model.embed_tokens.weight"], [true, false])
  func paddedRowsOfAVocabularyMayBeZero(name: String, hasMoreBehind: Bool) throws {
    func fault(row: Int, element: Int) throws -> ConversionError? {
      try self.fault { small in
        let first = row * 64 + element
        for index in first..<320 * 64 { small[name].values[index] = 0 }
        moveToTheEnd([name], &small)
        if hasMoreBehind {
          small["model.norm.weight"].values = [Float](repeating: 0, count: 64)
          moveToTheEnd(["model.norm.weight"], &small)
        }
      }
    }
    #expect(try fault(row: 311, element: 0) == nil)
    #expect(try fault(row: 315, element: 3) == nil)
    // Some zeros may end a row by chance.
    #expect(try fault(row: 310, element: 60) == nil)
    #expect(try fault(row: 310, element: 0)?.subject == name)
    #expect(try fault(row: 200, element: 63)?.subject == name)
  }

  @Test func someZerosAtTheEndAreChance() throws {
    for count in [0, 1, 15] {
      #expect(
        try fault { small in
          moveToTheEnd(["vargpt_gen.head.weight"], &small)
          let end = 64 * 64
          for index in end - count..<end { small["vargpt_gen.head.weight"].values[index] = 0 }
        } == nil)
    }
    let fault = try fault { small in
      moveToTheEnd(["vargpt_gen.head.weight"], &small)
      for index in 4080..<4096 { small["vargpt_gen.head.weight"].values[index] = 0 }
    }
    #expect(fault?.subject == "vargpt_gen.head.weight")
  }

  /// A matrix without effect may also end in zeros, unless the file's next ones are zeros too.
  @Test(arguments: ["vargpt_gen.text_proj_for_ca.0.weight", "a.matrix.of.something.else"])
  func aMatrixWithoutEffectMayEndInZeros(name: String) throws {
    func fault(behind: [String]) throws -> ConversionError? {
      try self.fault { small in
        if small.tensors.allSatisfy({ $0.name != name }) { small.add(name, 64, 64) }
        for index in 1000..<4096 { small[name].values[index] = 0 }
        for other in behind { small[other].values = small[other].values.map { _ in 0 } }
        moveToTheEnd([name] + behind, &small)
      }
    }
    #expect(try fault(behind: []) == nil)
    #expect(try fault(behind: ["model.norm.weight"])?.subject == name)
  }

  @Test func whoMeansItGetsAFile() throws {
    let name = "model.layers.0.mlp.up_proj.weight"
    #expect(
      try fault(
        allowsZeroWeights: true, zeroed: { byteCount($0, from: name, element: 5) }) == nil)
  }

  /// The factors of an adapter that learned nothing are zero; a stopped download of it is refused all the same.
  @Test func adaptersMayHaveLearnedNothing() throws {
    let directory = TemporaryDirectory()
    directory.makeDirectory("base")
    SmallCheckpoint().write(to: directory.file("base"))
    func fault(from element: Int) throws -> ConversionError? {
      var adapter = AdapterFolder()
      adapter.addFactors("model.layers.0.self_attn.q_proj", [64, 64])
      for index in element..<256 { adapter.tensors[1].values[index] = 0 }
      let name = "adapter\(element)"
      adapter.write(name, to: directory)
      let checkpoint = try CheckpointParts(adapters: [.init(path: directory.file(name))])
        .checkpoint(at: directory.file("base"))
      do {
        _ = try Conversion(
          of: checkpoint, options: ConversionOptions(recipe: try Recipe(builtIn: "int8")))
        return nil
      } catch let error as ConversionError {
        return error
      }
    }
    #expect(try fault(from: 0) == nil)
    let stopped = try fault(from: 100)
    #expect(stopped?.code == .zeroWeights)
    #expect(stopped?.subject.hasSuffix("q_proj.lora_B.weight") == true)
  }
}
