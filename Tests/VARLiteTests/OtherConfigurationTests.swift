import Testing
import VARCheckpoint
import VARConversion
import VARKernels
import VARLite
import VARQuantization
import VARTestSupport
import VARVision

/// A checkpoint that differs from the others in every number runs without a change of code: other head counts, an
/// untied head, 32 bits a token, one block a chunk, scales that are not square, another tokenizer.
@Suite struct OtherConfigurationTests {
  private static let schedule = """
    "vargpt_gen": {"scale_schedule": [[1, 1, 1], [1, 2, 1], [1, 3, 2], [1, 5, 3]],
                   "rope_reference_hw": [40, 24], "sampling": {"cfg": 2.5, "tau": 0.8}},
    """

  private func model(_ folder: TemporaryDirectory, recipe: String) throws -> Model {
    let config = SmallCheckpoint.config
    let start = try #require(config.firstIndex(of: "{"))
    let extended = "{" + Self.schedule + config[config.index(after: start)...]
    SmallCheckpoint().write(to: folder.path, config: extended)
    let path = folder.path + "/small.vq4"
    let options = ConversionOptions(recipe: try Recipe(builtIn: recipe))
    _ = try Conversion(of: Checkpoint(path: folder.path), options: options).write(to: path)
    return try Model(path: path)
  }

  @Test(arguments: ["f32", "balanced", "int4"]) func allTasksRun(recipe: String) throws {
    let folder = TemporaryDirectory()
    let model = try model(folder, recipe: recipe)
    let pixels = (0..<64 * 96 * 3).map { UInt8(truncatingIfNeeded: $0 * 7) }
    let picture = RGBImage(width: 96, height: 64, pixels: pixels)
    let drawing = try model.draw(
      Prompt("Draw: ", images: [picture]), options: DrawingRequest(seed: 5), .atOnce)
    #expect(drawing.image.height == 80 && drawing.image.width == 48)
    #expect(drawing.bits.map(\.count) == [32, 64, 192, 480])
    // Bits that are all equal, or a flat picture, would hide a part that is not connected.
    let ones = drawing.bits.joined().count { $0 == 1 }
    #expect((100...668).contains(ones))
    #expect(Set(drawing.image.pixels).count > 8)

    let answer = try model.understand(
      Prompt("What?", images: [picture]), sampling: TextSampling(maximumTokens: 6))
    #expect(!answer.tokens.isEmpty)

    let options = RunOptions(threadCount: 3, instructionSet: .scalar)
    let scalar = try Model(path: model.path, options: options)
    let again = try scalar.draw(
      Prompt("Draw: ", images: [picture]), options: DrawingRequest(seed: 5), .atOnce)
    #expect(again.image == drawing.image)
  }
}
