import Testing
import VARCheckpoint
import VARConversion
import VARModels
import VARQuantization
import VARTestSupport
import VARTokenizer
import VQ4Format

@Suite struct TinyConversionTests {
  private let checkpoint: Checkpoint

  init() throws { checkpoint = try Checkpoint(path: Fixtures.path("tiny")) }

  private func convert(
    _ recipe: String, to path: String, threads: Int = 2, layout: VQ4StorageLayout = .map
  ) throws -> Conversion.Result {
    try Conversion(
      of: checkpoint,
      options: ConversionOptions(
        recipe: try Recipe(builtIn: recipe), layout: layout, threadCount: threads)
    ).write(to: path)
  }

  @Test func theFileHoldsEveryTensorOfTheTableInItsOrder() throws {
    let directory = TemporaryDirectory()
    let path = directory.path + "/tiny.vq4"
    _ = try convert("f32", to: path)
    let file = try VQ4File(path: path)
    try file.verify()
    let configuration = try VARGPTConfiguration(config: file.jsonAttachment("configuration"))
    let expected = configuration.tensors
    #expect(file.tensors.map(\.description.name) == expected.map(\.name))
    #expect(file.tensors.map(\.description.shape) == expected.map(\.shape))
    for (tensor, specification) in zip(file.tensors, expected) {
      #expect(file.groups[tensor.group].name == specification.group.name)
      switch specification.kind {
      case .vector: #expect(tensor.description.layout == .vector)
      case .table: #expect(tensor.description.layout == .table)
      case .matrix, .convolution: #expect(tensor.description.layout == .tiles)
      }
    }
  }

  @Test func plainWeightsAreCopiedBitForBit() throws {
    let directory = TemporaryDirectory()
    let path = directory.path + "/tiny.vq4"
    _ = try convert("f32", to: path)
    let file = try VQ4File(path: path)
    var compared = 0
    for (index, tensor) in file.tensors.enumerated() {
      guard let source = checkpoint[tensor.description.name],
        source.shape == tensor.description.shape, tensor.description.shape.count <= 2
      else { continue }
      #expect(try values(of: index, in: file) == source.floats(), "\(source.name)")
      compared += 1
    }
    #expect(compared > 200)
  }

  @Test func convolutionsStandChannelsLast() throws {
    let directory = TemporaryDirectory()
    let path = directory.path + "/tiny.vq4"
    _ = try convert("f32", to: path)
    let file = try VQ4File(path: path)
    let name = "vae_local.decoder.conv_in.conv.weight"
    let source = try #require(checkpoint[name])
    let index = try #require(file.tensorIndex(named: name))
    let (out, input, height, width) =
      (source.shape[0], source.shape[1], source.shape[2], source.shape[3])
    #expect(file.tensors[index].description.shape == [out, height, width, input])
    let stored = try values(of: index, in: file)
    let original = try source.floats()
    for o in 0..<out {
      for i in 0..<input {
        for y in 0..<height {
          for x in 0..<width {
            #expect(
              stored[((o * height + y) * width + x) * input + i]
                == original[((o * input + i) * height + y) * width + x])
          }
        }
      }
    }
  }

  @Test func thePatchKernelsOfBothFramesAddUp() throws {
    let directory = TemporaryDirectory()
    let path = directory.path + "/tiny.vq4"
    _ = try convert("f32", to: path)
    let file = try VQ4File(path: path)
    let source = try #require(checkpoint["visual.patch_embed.proj.weight"])
    let original = try source.floats()
    let index = try #require(file.tensorIndex(named: source.name))
    let stored = try values(of: index, in: file)
    #expect(stored.count == source.shape[0] * 588)
    for row in 0..<source.shape[0] {
      for channel in 0..<3 {
        for pixel in 0..<196 {
          let first = (row * 3 + channel) * 392 + pixel
          #expect(
            stored[row * 588 + channel * 196 + pixel] == original[first] + original[first + 196])
        }
      }
    }
  }

  /// The reference computed the same constants in f32; sums of 256 products differ by some rounding errors.
  @Test func foldedConstantsEqualTheReference() throws {
    let directory = TemporaryDirectory()
    let path = directory.path + "/tiny.vq4"
    _ = try convert("f32", to: path)
    let file = try VQ4File(path: path)
    func stored(_ name: String) throws -> [Float] {
      try values(of: try #require(file.tensorIndex(named: name)), in: file)
    }
    let golden = try SafetensorsFile(fixture: "golden/gen_cfg3.safetensors")
    let start = try checkpoint["vargpt_gen.pos_start"]!.floats()
    let conditions = zip(try stored("vargpt_gen.start_tokens"), start + start).map { $0 - $1 }
    #expect(largestDifference(conditions, try golden.floats("cond_vec")).value <= 2e-5)

    let shared = try golden.floats("ada_shared")  // [2, 1, 6, 256]
    for layer in 0..<4 {
      let prefix = "vargpt_gen.block_chunks.\(layer / 2).module.\(layer % 2)."
      let offset = try checkpoint[prefix + "ada_gss"]!.floats()
      let expected = shared.enumerated().map { index, value in
        let part = index / 256 % 6
        return value + offset[index % (6 * 256)] + (part == 2 || part == 3 ? 1 : 0)
      }
      let ada = try stored("vargpt_gen.blocks.\(layer).ada")
      let difference = largestDifference(ada, expected)
      #expect(difference.value <= 5e-5, "layer \(layer): \(difference)")

      let bias = try stored("vargpt_gen.blocks.\(layer).sa.mat_qkv.bias")
      let parts = try ["q_bias", "zero_k_bias", "v_bias"].flatMap {
        try checkpoint[prefix + "sa." + $0]!.floats()
      }
      #expect(bias == parts)
      let logarithms = try checkpoint[prefix + "sa.scale_mul_1H11"]!.floats()
      for (scale, logarithm) in zip(
        try stored("vargpt_gen.blocks.\(layer).sa.head_scale"), logarithms)
      {
        // 4 is exact in bf16, and so are the tiny model's logarithms near it.
        #expect(scale > 1 && scale <= 100.001)
        #expect((logarithm > 4.6) == (scale > 99))
      }
    }
  }

  @Test func inverseFrequenciesFollowTheFormula() throws {
    let directory = TemporaryDirectory()
    let path = directory.path + "/tiny.vq4"
    _ = try convert("f32", to: path)
    let file = try VQ4File(path: path)
    func stored(_ name: String) throws -> [Float] {
      try values(
        of: try #require(file.tensorIndex(named: name + ".rotary_inverse_frequencies")), in: file)
    }
    let model = try stored("model")  // theta 1e6, head dim 32
    #expect(model.count == 16)
    #expect(model[0] == 1)
    #expect(abs(model[8] - 1e-3) <= 1e-10)
    #expect(model[4] * model[4] <= model[8] * 1.000001)
    let vision = try stored("visual")  // base 1e4, head dim 32, half of it per axis
    #expect(vision.count == 8)
    #expect(abs(vision[4] - 1e-2) <= 1e-9)
    let generator = try stored("vargpt_gen")  // head dim 128
    #expect(generator.count == 32)
    #expect(abs(generator[16] - 1e-2) <= 1e-9)
    #expect(zip(generator, generator.dropFirst()).allSatisfy { $0 > $1 })
  }

  @Test(arguments: ["balanced", "int4"], [VQ4StorageLayout.map, .auto])
  func theBytesDoNotDependOnThreads(recipe: String, layout: VQ4StorageLayout) throws {
    let directory = TemporaryDirectory()
    var files: [[UInt8]] = []
    for threads in [1, 2, 4] {
      let path = "\(directory.path)/\(threads).vq4"
      _ = try convert(recipe, to: path, threads: threads, layout: layout)
      files.append(try Fixtures.readFile(path))
    }
    #expect(files[0] == files[1])
    #expect(files[0] == files[2])
  }

  @Test(arguments: Recipe.builtInNames) func errorsStayInTheirBounds(recipe: String) throws {
    let directory = TemporaryDirectory()
    let result = try convert(recipe, to: directory.path + "/tiny.vq4")
    for entry in result.errors {
      let bound: Double =
        switch entry.precision {
        case .int4: 0.09
        case .int8: 0.01
        case .f16: 0.0005
        case .bf16: 0.003
        case .f32: 0
        }
      #expect(entry.error.relative <= bound, "\(entry.name)")
    }
    try VQ4File(path: directory.path + "/tiny.vq4").verify()
  }

  @Test func theFileCarriesTheSmallFiles() throws {
    let directory = TemporaryDirectory()
    let path = directory.path + "/tiny.vq4"
    _ = try convert("int8", to: path)
    let file = try VQ4File(path: path)
    let generation = try file.jsonAttachment("generation_configuration")
    #expect(generation["eos_token_id"]?.arrayValue?.map(\.integerValue) == [770, 768])
    let image = try file.jsonAttachment("image_preprocessing")
    #expect(image["max_pixels"]?.integerValue == 15680)
    #expect(image["image_std"]?.arrayValue?[2].doubleValue == 0.27577711)
    #expect(try file.jsonAttachment("recipe")["name"]?.stringValue == "int8")
    let tables = try #require(try file.attachmentInPlace("tokenizer"))
    let tokenizer = try Tokenizer(tables: tables, owner: file)
    #expect(tokenizer.vocabularySize == 785)
    #expect(tokenizer.tokenID(of: "<|image_gen_start|>") == 782)
    let shards = try file.jsonAttachment("provenance")["shards"]?.arrayValue
    #expect(shards?.count == 3)
    #expect(shards?[0]["bytes"]?.integerValue == 4_886_702)
    for shard in shards ?? [] {
      let name = try #require(shard["file"]?.stringValue)
      let hash = try piecewiseHash(Fixtures.bytes("tiny/" + name))
      #expect(shard["pieces_xxh3_128"]?.stringValue == hash)
    }
    let template = String(decoding: try file.attachment("chat_template") ?? [], as: UTF8.self)
    #expect(template == (try checkpoint.chatTemplate()))
  }

  @Test func aStoppedConversionLeavesNothingBehind() throws {
    let directory = TemporaryDirectory()
    let conversion = try Conversion(
      of: checkpoint, options: ConversionOptions(recipe: try Recipe(builtIn: "int4")))
    var calls = 0
    #expect {
      try conversion.write(
        to: directory.path + "/tiny.vq4",
        isCancelled: {
          calls += 1
          return calls > 100
        })
    } throws: { ($0 as? ConversionError)?.code == .interrupted }
    #expect(directory.names().isEmpty)
  }
}
