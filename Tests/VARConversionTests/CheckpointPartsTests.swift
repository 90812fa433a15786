import Testing
import VARCheckpoint
import VARConversion
import VARQuantization
import VARTestSupport
import VQ4Format

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A Qwen2-VL directory with the generator, the VAE and the projectors in files of their own.
@Suite struct CheckpointPartsTests {
  private let directory = TemporaryDirectory()
  private let small = SmallCheckpoint()

  private static let plainConfig = SmallCheckpoint.config.split(separator: "\n").dropLast(2)
    .joined(separator: "\n")
    .replacing(#""tie_word_embeddings": false,"#, with: #""model_type": "qwen2_vl"}"#)

  private static let qwenTokens = """
    {"<|vision_start|>":300,"<|vision_end|>":301,"<|image_pad|>":303,"<|im_end|>":305,
     "<|im_start|>":306}
    """
  private static let allTokens = """
    {"<|vision_start|>":300,"<|vision_end|>":301,"<|image_pad|>":303,"<|im_end|>":305,
     "<|im_start|>":306,"<|image_gen_start|>":310,"<|image_gen_end|>":311,"<|image_gen_pad|>":312}
    """

  private static func isProjector(_ name: String) -> Bool {
    name.hasPrefix("image_gen_projector") || name.hasPrefix("sos_embedding.")
  }

  /// A plain VQGAN's name of a tensor: without the wrappers of convolutions and norms.
  private static func unwrapped(_ name: String) -> String {
    var parts = name.split(separator: ".")
    if ["conv", "norm"].contains(parts[parts.count - 2]) { parts.remove(at: parts.count - 2) }
    return parts.joined(separator: ".")
  }

  private func values(
    where isWanted: (String) -> Bool, name: (String) -> String
  ) -> TorchArchive.Value {
    .dictionary(
      small.tensors.filter { isWanted($0.name) }.map { tensor in
        let bytes = tensor.values.withUnsafeBytes { Array($0) }
        return (
          name(tensor.name),
          .tensor(
            TorchArchive.Tensor(storageType: "FloatStorage", shape: tensor.shape, bytes: bytes))
        )
      })
  }

  /// Writes `qwen/`, `generator.pth`, `vae.pth` and `projector.pth`.
  private func writeParts(vaeName: (String) -> String = Self.unwrapped) {
    let generator = values(
      where: { $0.hasPrefix("vargpt_gen.") }, name: { String($0.dropFirst(11)) })
    let vae = values(
      where: { $0.hasPrefix("vae_local.") }, name: { vaeName(String($0.dropFirst(10))) })
    let projector = values(where: Self.isProjector, name: { $0 })
    directory.write("generator.pth", TorchArchive.file(generator))
    directory.write(
      "vae.pth",
      TorchArchive.file(
        .dictionary([("epoch", .integer(3)), ("ema", .dictionary([])), ("vae", vae)])))
    directory.write(
      "projector.pth",
      TorchArchive.file(.dictionary([("state_dict", projector), ("note", .text("x"))])))
    var rest = small
    for tensor in small.tensors
    where tensor.name.hasPrefix("vargpt_gen.") || tensor.name.hasPrefix("vae_local.")
      || Self.isProjector(tensor.name)
    {
      rest.remove(tensor.name)
    }
    write(rest, "qwen", config: Self.plainConfig, tokens: Self.qwenTokens)
  }

  private func write(
    _ checkpoint: SmallCheckpoint, _ name: String, config: String, tokens: String
  ) {
    directory.makeDirectory(name)
    checkpoint.write(to: directory.file(name), config: config)
    directory.write(name + "/added_tokens.json", tokens)
  }

  private func parts(projector: Bool = true) -> CheckpointParts {
    CheckpointParts(
      generator: directory.file("generator.pth"), vae: directory.file("vae.pth"),
      projector: projector ? directory.file("projector.pth") : nil)
  }

  private func convert(_ checkpoint: Checkpoint, _ name: String) throws -> VQ4File {
    let options = ConversionOptions(recipe: try Recipe(builtIn: "int4"), threadCount: 2)
    let path = directory.file(name)
    _ = try Conversion(of: checkpoint, options: options).write(to: path)
    return try VQ4File(path: path)
  }

  private func fault(_ body: () throws -> Void) -> ConversionError? {
    do {
      try body()
      return nil
    } catch {
      return error as? ConversionError
    }
  }

  @Test(arguments: [true, false])
  func theyGiveTheFileOfTheWholeCheckpoint(isPlain: Bool) throws {
    writeParts(vaeName: isPlain ? Self.unwrapped : { $0 })
    write(small, "whole", config: SmallCheckpoint.config, tokens: Self.allTokens)
    let found = try convert(try parts().checkpoint(at: directory.file("qwen")), "parts.vq4")
    let expected = try convert(try Checkpoint(path: directory.file("whole")), "whole.vq4")
    try expectSameContent(found, expected)
    let shards = try found.jsonAttachment("provenance")["shards"]?.arrayValue ?? []
    #expect(
      shards.compactMap { $0["file"]?.stringValue } == [
        "model.safetensors", "generator/generator.pth", "vae/vae.pth", "projector/projector.pth",
      ])
    let check = try ConversionCheck(
      of: directory.file("parts.vq4"), against: try parts().checkpoint(at: directory.file("qwen")))
    #expect(try check.run(threadCount: 1).allSatisfy { $0.error.relative < 0.2 })
  }

  /// Infinity's trainer writes everything into one file, the model under `trainer`, beside optimizer and averages.
  @Test(arguments: ["gpt_fsdp", "gpt_wo_ddp"])
  func filesOfInfinitysTrainerGiveBothParts(group: String) throws {
    writeParts()
    write(small, "whole", config: SmallCheckpoint.config, tokens: Self.allTokens)
    let generator = values(
      where: { $0.hasPrefix("vargpt_gen.") }, name: { String($0.dropFirst(11)) })
    let vae = values(
      where: { $0.hasPrefix("vae_local.") }, name: { String($0.dropFirst(10)) })
    let average = values(
      where: { $0 == "vargpt_gen.pos_start" }, name: { String($0.dropFirst(11)) })
    let trainer: TorchArchive.Value = .dictionary([
      ("config", .dictionary([("prog_it", .integer(3)), ("first_prog", .none)])),
      ("vae_local", vae), ("gpt_ema_fsdp", average), (group, generator),
      (group + "_opt", .dictionary([("state", .dictionary([("pos_start", average)]))])),
    ])
    let file: TorchArchive.Value = .dictionary([
      ("epoch", .integer(1)), ("args", .dictionary([("pn", .text("0.25M"))])),
      ("trainer", trainer), ("arch", .none),
    ])
    directory.write("ar-ckpt.pth", TorchArchive.file(file))
    let path = directory.file("ar-ckpt.pth")
    let parts = CheckpointParts(
      generator: path, vae: path, projector: directory.file("projector.pth"))
    let found = try convert(try parts.checkpoint(at: directory.file("qwen")), "parts.vq4")
    let expected = try convert(try Checkpoint(path: directory.file("whole")), "whole.vq4")
    try expectSameTensors(found, expected)
  }

  /// Data parallelism, sharding, recomputation and compilation each leave a name, at the start or in the middle.
  @Test(
    arguments: [
      { "module." + $0 }, { "_orig_mod." + $0 }, { "module.module._orig_mod." + $0 },
      { "_forward_module." + $0 },
      { (name: String) in
        "_fsdp_wrapped_module."
          + name.replacing(".module.", with: ".module._fsdp_wrapped_module.")
          .replacing("encoder.", with: "encoder._checkpoint_wrapped_module.")
          .replacing("layers.", with: "layers._fsdp_wrapped_module.")
      },
    ] as [@Sendable (String) -> String])
  func wrappersGoFromTheNames(wrapped: @Sendable (String) -> String) throws {
    writeParts(vaeName: { wrapped(Self.unwrapped($0)) })
    let generator = values(
      where: { $0.hasPrefix("vargpt_gen.") }, name: { wrapped(String($0.dropFirst(11))) })
    directory.write("generator.pth", TorchArchive.file(generator))
    let projector = values(where: Self.isProjector, name: wrapped)
    directory.write("projector.pth", TorchArchive.file(projector))
    let checkpoint = try parts().checkpoint(at: directory.file("qwen"))
    #expect(Set(checkpoint.tensors.map(\.name)) == Set(small.tensors.map(\.name)))
    // A whole checkpoint, too.
    let whole = SmallCheckpoint.safetensors(
      small.tensors.map {
        SmallCheckpoint.Tensor(name: wrapped($0.name), shape: $0.shape, values: $0.values)
      })
    directory.write("whole.safetensors", whole)
    let found = try Checkpoint(path: directory.file("whole.safetensors"))
    #expect(Set(found.tensors.map(\.name)) == Set(small.tensors.map(\.name)))
  }

  /// The same tensor with and without its wrapper cannot be told apart.
  @Test func aWrappedAndAPlainNameOfOneTensorAreRefused() throws {
    let name = "model.norm.weight"
    let tensors = ["module." + name, name].map {
      SmallCheckpoint.Tensor(name: $0, shape: [2], values: [1, 2])
    }
    directory.write("a.safetensors", SmallCheckpoint.safetensors(tensors))
    #expect {
      try Checkpoint(path: directory.file("a.safetensors"))
    } throws: {
      let error = $0 as? CheckpointError
      return error?.code == .duplicateTensor && error?.tensor == name
    }
  }

  @Test func whatIsMissingIsNamedWithItsFlag() {
    writeParts()
    let qwen = directory.file("qwen")
    let bare = fault { _ = try CheckpointParts().checkpoint(at: qwen) }
    #expect(bare?.code == .missingTensor)
    #expect(bare?.remedy == .name([.generator, .vae, .projector]))
    let noVAE = fault {
      _ = try CheckpointParts(generator: directory.file("generator.pth")).checkpoint(at: qwen)
    }
    #expect(noVAE?.subject == "vae_local.*")
    let noProjector = fault { _ = try parts(projector: false).checkpoint(at: qwen) }
    #expect(noProjector?.code == .missingTensor)
    #expect(noProjector?.subject.contains("image_gen_projector_out.mlp.2.bias") == true)
    #expect(noProjector?.subject.contains("sos_embedding.weight") == true)
    #expect(noProjector?.remedy == .name([.projector]))
    let wrongFile = fault {
      _ = try CheckpointParts(projector: directory.file("vae.pth")).checkpoint(at: qwen)
    }
    #expect(wrongFile?.detail.contains("no tensor of the projector") == true)
  }

  @Test func theGeneratorsFileMayBringTheProjectors() throws {
    writeParts()
    let generator = values(
      where: { $0.hasPrefix("vargpt_gen.") || Self.isProjector($0) },
      name: { $0.hasPrefix("vargpt_gen.") ? String($0.dropFirst(11)) : $0 })
    directory.write("generator.pth", TorchArchive.file(generator))
    let checkpoint = try parts(projector: false).checkpoint(at: directory.file("qwen"))
    #expect(Set(checkpoint.tensors.map(\.name)) == Set(small.tensors.map(\.name)))
  }

  @Test func anotherShapeIsRefusedByName() throws {
    var odd = small
    let name = "vargpt_gen.block_chunks.1.module.0.sa.proj.weight"
    odd[name].shape = [64, 32]
    odd[name].values.removeLast(64 * 32)
    write(small, "whole", config: SmallCheckpoint.config, tokens: Self.allTokens)
    write(odd, "odd", config: SmallCheckpoint.config, tokens: Self.allTokens)
    let checkpoint = try CheckpointParts(generator: directory.file("odd"))
      .checkpoint(at: directory.file("whole"))
    let fault = fault { _ = try convert(checkpoint, "a.vq4") }
    #expect(fault?.code == .wrongShape)
    #expect(fault?.subject == name)
  }

  @Test func aWholeCheckpointReplacesOnePart() throws {
    var other = small
    for index in other.tensors.indices {
      let name = other.tensors[index].name
      other[name].values[0] = 77
    }
    write(small, "whole", config: SmallCheckpoint.config, tokens: Self.allTokens)
    write(other, "other", config: SmallCheckpoint.config, tokens: Self.allTokens)
    let checkpoint = try CheckpointParts(vae: directory.file("other"))
      .checkpoint(at: directory.file("whole"))
    #expect(checkpoint.tensors.count == small.tensors.count)
    for tensor in checkpoint.tensors {
      let first = try tensor.floats()[0]
      #expect((first == 77) == tensor.name.hasPrefix("vae_local."), "\(tensor.name)")
    }
  }

  /// The plain and the wrapped name of one convolution would both become the same tensor.
  @Test func twoNamesOfOneTensorAreRefused() throws {
    writeParts()
    let name = "decoder.conv_in.conv.weight"
    let vae = values(
      where: { $0 == "vae_local." + name }, name: { String($0.dropFirst(10)) })
    guard case .dictionary(let wrapped) = vae, case .some((_, let tensor)) = wrapped.first else {
      throw FixtureError("no \(name)")
    }
    let plain = Self.unwrapped(name)
    directory.write("vae.pth", TorchArchive.file(.dictionary(wrapped + [(plain, tensor)])))
    #expect {
      try parts().checkpoint(at: directory.file("qwen"))
    } throws: {
      let error = $0 as? CheckpointError
      return error?.code == .duplicateTensor && error?.tensor == "vae_local." + name
    }
  }

  @Test func aStoppedConversionNoticesAnotherPart() throws {
    writeParts()
    var options = ConversionOptions(recipe: try Recipe(builtIn: "int4"), threadCount: 2)
    options.keepsProgress = true
    options.resumes = true
    options.journalItemCount = 5
    let path = directory.file("a.vq4")
    func convert(stoppingAfter count: Int? = nil) throws {
      var calls = 0
      _ = try Conversion(
        of: parts().checkpoint(at: directory.file("qwen")), options: options
      ).write(
        to: path,
        isCancelled: {
          calls += 1
          return calls > count ?? .max
        })
    }
    _ = try self.convert(parts().checkpoint(at: directory.file("qwen")), "whole.vq4")
    #expect(fault { try convert(stoppingAfter: 60) }?.code == .interrupted)
    let generator = directory.file("generator.pth")
    var status = stat()
    #expect(stat(generator, &status) == 0)
    let original = [status.st_atim, status.st_mtim]
    var times = [timespec(tv_sec: 1_000_000, tv_nsec: 0), timespec(tv_sec: 1_000_000, tv_nsec: 5)]
    utimensat(AT_FDCWD, generator, &times, 0)
    let other = fault { try convert() }
    #expect(other?.code == .otherConversion)
    #expect(other?.detail.contains("generator/generator.pth") == true)
    utimensat(AT_FDCWD, generator, original, 0)
    try convert()
    #expect(try Fixtures.readFile(path) == Fixtures.readFile(directory.file("whole.vq4")))
  }
}
