import Testing
import VARCheckpoint
import VARConversion
import VARModels
import VARQuantization
import VARTestSupport
import VQ4Format

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

@Suite struct OtherConfigurationTests {
  private func convert(
    _ small: SmallCheckpoint, recipe: String = "f32", in directory: TemporaryDirectory
  ) throws -> VQ4File {
    small.write(to: directory.path)
    let conversion = try Conversion(
      of: Checkpoint(path: directory.path),
      options: ConversionOptions(
        recipe: try Recipe(builtIn: recipe), layout: .map, threadCount: 2, overwrite: true))
    _ = try conversion.write(to: directory.path + "/small.vq4")
    return try VQ4File(path: directory.path + "/small.vq4")
  }

  private func stored(_ name: String, _ file: VQ4File) throws -> [Float] {
    try values(of: try #require(file.tensorIndex(named: name)), in: file)
  }

  @Test func shapesFillWhatTheConfigurationLacks() throws {
    let directory = TemporaryDirectory()
    let file = try convert(SmallCheckpoint(), in: directory)
    let configuration = try VARGPTConfiguration(config: file.jsonAttachment("configuration"))
    #expect(configuration.generator.depth == 3)
    #expect(configuration.generator.embedDim == 64)
    #expect(configuration.generator.numHeads == 4)
    #expect(configuration.generator.intermediateSize == 256)
    #expect(configuration.generator.textMaxLength == 20)
    #expect(configuration.generator.codebookDim == 32)
    #expect(configuration.vae.channelMultipliers == [1, 1, 2, 2, 3])
    #expect(configuration.vae.numResBlocks == 1)
    #expect(configuration.schedule.scales.count == 10)
    #expect(file.tensors.map(\.description.name) == configuration.tensors.map(\.name))
  }

  @Test func blocksOfEveryChunkFindTheirPlace() throws {
    let directory = TemporaryDirectory()
    let small = SmallCheckpoint()
    let file = try convert(small, in: directory)
    for block in 0..<3 {
      let source = "vargpt_gen.block_chunks.\(block).module.0."
      let target = "vargpt_gen.blocks.\(block)."
      #expect(
        try stored(target + "ffn.fc2.weight", file) == small[source + "ffn.fc2.weight"].values)
      #expect(
        try stored(target + "sa.mat_qkv.bias", file)
          == ["q_bias", "zero_k_bias", "v_bias"].flatMap { small[source + "sa." + $0].values })
      #expect(
        try stored(target + "ca.mat_kv.bias", file)
          == ["zero_k_bias", "v_bias"].flatMap { small[source + "ca." + $0].values })
      let scales = try stored(target + "sa.head_scale", file)
      for (scale, logarithm) in zip(scales, small[source + "sa.scale_mul_1H11"].values) {
        #expect(abs(scale - exp(logarithm)) <= 1e-6)
      }
    }
    #expect(try stored("lm_head.weight", file) == small["lm_head.weight"].values)
    #expect(
      try stored("model.embed_tokens.weight", file) == small["model.embed_tokens.weight"].values)
  }

  @Test func headScalesAreLimited() throws {
    let directory = TemporaryDirectory()
    var small = SmallCheckpoint()
    small["vargpt_gen.block_chunks.1.module.0.sa.scale_mul_1H11"].values = [0, 1, 4.7, 90]
    let scales = try stored("vargpt_gen.blocks.1.sa.head_scale", convert(small, in: directory))
    let expected: [Float] = [1, 2.718282, 100, 100]
    #expect(largestDifference(scales, expected).value <= 1e-4)
  }

  /// The conditioning network again, in double precision with the system's `exp`.
  @Test func foldedConstantsFollowTheFormulas() throws {
    let directory = TemporaryDirectory()
    let small = SmallCheckpoint()
    let file = try convert(small, in: directory)
    let width = 64
    func affine(_ x: [Double], _ weight: ArraySlice<Float>, _ bias: [Float]) -> [Double] {
      let weight = Array(weight)
      return bias.indices.map { row in
        (0..<width).reduce(Double(bias[row])) { $0 + Double(weight[row * width + $1]) * x[$1] }
      }
    }
    let pool = "vargpt_gen.text_proj_for_sos.ca."
    let sos = small["sos_embedding.weight"].values.suffix(width)
    let uncond = small["vargpt_gen.cfg_uncond"].values.prefix(width)
    var ada: [[Double]] = []
    var head: [Double] = []
    var start: [Double] = []
    for input in [sos, uncond].map({ $0.map(Double.init) }) {
      let inverse = 1 / sqrt(input.reduce(0) { $0 + $1 * $1 } / Double(width) + 1e-6)
      let norm = small["vargpt_gen.text_norm.weight"].values
      let value = affine(
        zip(input, norm).map { $0 * inverse * Double($1) },
        small[pool + "mat_kv.weight"].values.suffix(width * width), small[pool + "v_bias"].values)
      let condition = affine(
        value, small[pool + "proj.weight"].values[...], small[pool + "proj.bias"].values)
      start += zip(condition, small["vargpt_gen.pos_start"].values).map { $0 + Double($1) }
      let activated = condition.map { $0 / (1 + exp(-$0)) }
      func modulation(_ name: String) -> [Double] {
        affine(
          activated, small["vargpt_gen.\(name).weight"].values[...],
          small["vargpt_gen.\(name).bias"].values)
      }
      ada.append(modulation("shared_ada_lin.1"))
      head += modulation("head_nm.ada_lin.1").enumerated().map { $0 < width ? 1 + $1 : $1 }
    }
    func differs(_ name: String, _ expected: [Double]) throws -> Float {
      largestDifference(try stored(name, file), expected.map { Float($0) }).value
    }
    // Sums of 64 products of numbers below 1, stored in f32.
    #expect(try differs("vargpt_gen.start_tokens", start) <= 1e-6)
    #expect(try differs("vargpt_gen.head_ada", head) <= 1e-6)
    let offset = small["vargpt_gen.block_chunks.2.module.0.ada_gss"].values
    let expected = ada.flatMap { row in
      row.indices.map { index in
        row[index] + Double(offset[index]) + (index / width == 2 || index / width == 3 ? 1 : 0)
      }
    }
    #expect(try differs("vargpt_gen.blocks.2.ada", expected) <= 1e-6)
  }

  @Test func rowsThatNoGroupDividesFallBack() throws {
    let directory = TemporaryDirectory()
    let file = try convert(SmallCheckpoint(), recipe: "int8", in: directory)
    func type(_ name: String) throws -> VQ4TensorDescription {
      file.tensors[try #require(file.tensorIndex(named: name))].description
    }
    #expect(try type("visual.patch_embed.proj.weight").elementType == .f16)
    let down = try type("model.layers.0.mlp.down_proj.weight")  // 96 inputs
    #expect(down.elementType == .int8)
    #expect(down.groupSize == 32)
    #expect(try type("model.layers.0.mlp.up_proj.weight").groupSize == 64)
    #expect(try type("vae_local.decoder.conv_in.conv.weight").elementType == .f16)
    #expect(try type("model.embed_tokens.weight").layout == .table)
    let rows = try Conversion(
      of: Checkpoint(path: directory.path),
      options: ConversionOptions(recipe: try Recipe(builtIn: "int8"))
    ).plan.rows
    let note = rows.first { $0.name == "visual.patch_embed.proj.weight" }?.note
    #expect(note == "sum of 2 frames; f16: no group divides 588")
  }

  @Test(arguments: Recipe.builtInNames) func theCheckAgreesWithTheQuantizer(name: String) throws {
    let directory = TemporaryDirectory()
    SmallCheckpoint().write(to: directory.path)
    let checkpoint = try Checkpoint(path: directory.path)
    let path = directory.path + "/small.vq4"
    let result = try Conversion(
      of: checkpoint, options: ConversionOptions(recipe: try Recipe(builtIn: name))
    ).write(to: path)
    let rows = try ConversionCheck(of: path, against: checkpoint).run(threadCount: 2)
    #expect(rows.filter { !$0.isWithinLimit }.map(\.name) == [])
    for entry in result.errors {
      let row = try #require(rows.first { $0.name == entry.name })
      #expect(row.precision == entry.precision)
      #expect(abs(row.error.relative - entry.error.relative) <= 1e-4 * entry.error.relative)
    }
  }

  @Test func theCheckFindsAnotherCheckpoint() throws {
    let directory = TemporaryDirectory()
    var small = SmallCheckpoint()
    _ = try convert(small, recipe: "int4", in: directory)
    small["lm_head.weight"].values.swapAt(0, 64)
    small["model.norm.weight"].values[3] += 0.5
    small.write(to: directory.path)
    let path = directory.path + "/small.vq4"
    let rows = try ConversionCheck(of: path, against: Checkpoint(path: directory.path)).run()
    #expect(rows.filter { !$0.isWithinLimit }.map(\.name) == ["model.norm.weight"])
    small["lm_head.weight"].values.reverse()
    small.write(to: directory.path)
    let others = try ConversionCheck(of: path, against: Checkpoint(path: directory.path)).run()
    #expect(
      others.filter { !$0.isWithinLimit }.map(\.name) == ["model.norm.weight", "lm_head.weight"])
    #expect {
      try ConversionCheck(of: path, against: Checkpoint(path: Fixtures.path("tiny")))
    } throws: { ($0 as? ConversionError)?.code == .differentModel }
  }
}
