import Testing
import VARCheckpoint
import VARConversion
import VARKernels
import VARLite
import VARModels
import VARQuantization
import VARTestSupport
import VARVision
import VQ4Format

/// What a file or a request cannot serve is an error, never a crash.
@Suite struct RefusalTests {
  private func code(_ body: () throws -> Void) -> GenerationError.Code? {
    do {
      try body()
      return nil
    } catch {
      return (error as? GenerationError)?.code
    }
  }

  private func model(hiding: [String] = [], spoiling: [String] = []) throws -> VARGPT {
    let file = try VQ4File(path: TinyModel.path(recipe: "f32"))
    let source = HidingWeightSource(
      file: file, tensors: try TinyModel.tensors(file), hiding: hiding, spoiling: spoiling)
    return try VARGPT(file: file, source: source, options: VARGPT.Options(threadCount: 2))
  }

  private static let short = TextSampling(maximumTokens: 3)

  // MARK: Parts that a recipe left out

  @Test func withoutAGeneratorItStillTalks() throws {
    let model = try model(hiding: ["vargpt_gen", "image_gen_projector"])
    #expect(!model.canDraw)
    #expect(code { _ = try model.draw(Prompt("A circle."), forcesDrawing: true) } == .unusableModel)
    #expect(try !model.understand(Prompt("Who are you?"), sampling: Self.short).tokens.isEmpty)
    let chat = try Chat(model, sampling: Self.short)
    #expect(try chat.say(Prompt("Who are you?")).image == nil)
    #expect(
      code { _ = try chat.say(Prompt("A circle."), forcesDrawing: true) } == .unusableModel)
  }

  @Test func withoutAVisionTowerItReadsText() throws {
    let model = try model(hiding: ["visual."])
    let picture = try TinyModel.picture("scene_0")
    #expect(
      code { _ = try model.understand(Prompt("What?", images: [picture])) } == .unusableModel)
    #expect(try !model.understand(Prompt("Who are you?"), sampling: Self.short).tokens.isEmpty)
  }

  @Test func withoutAnEncoderItDraws() throws {
    let model = try model(hiding: ["vae_local.encoder"])
    #expect(code { _ = try model.reconstruct(TinyModel.picture("scene_0")) } == .unusableModel)
    let options = DrawingOptions(cfgScale: 1)
    #expect(try model.draw(Prompt("A"), options: options, forcesDrawing: true).image.width > 0)
  }

  @Test func withoutALanguageModelItOnlyReconstructs() throws {
    let model = try model(hiding: ["model."])
    #expect(!model.canDraw)
    #expect(code { _ = try model.understand(Prompt("Who are you?")) } == .unusableModel)
    #expect(code { _ = try model.draw(Prompt("A"), forcesDrawing: true) } == .unusableModel)
    #expect(try model.reconstruct(TinyModel.picture("scene_0")).image.width > 0)
  }

  @Test func aPartThatIsNotWholeIsRefused() throws {
    #expect(throws: ModelError.self) { try model(hiding: ["model.norm"]) }
  }

  @Test func withoutAHeadItDrawsAtOnce() throws {
    let folder = TemporaryDirectory()
    SmallCheckpoint().write(to: folder.path)
    let path = folder.path + "/small.vq4"
    let options = ConversionOptions(recipe: try Recipe(builtIn: "f32"))
    _ = try Conversion(of: Checkpoint(path: folder.path), options: options).write(to: path)
    let file = try VQ4File(path: path)
    let source = HidingWeightSource(
      file: file, tensors: try TinyModel.tensors(file), hiding: ["lm_head"])
    let model = try VARGPT(file: file, source: source, options: VARGPT.Options(threadCount: 2))
    #expect(code { _ = try model.understand(Prompt("A")) } == .unusableModel)
    let small = DrawingOptions(size: .budget(.budget006M), cfgScale: 1)
    #expect(try model.draw(Prompt("A"), options: small, forcesDrawing: true).image.width == 256)
  }

  /// A reader acquires a group once for all its tensors.
  @Test func tensorsOfOneGroupMustLieTogether() throws {
    let file = try VQ4File(path: TinyModel.path(recipe: "f32"))
    let source = HidingWeightSource(
      file: file, tensors: try TinyModel.tensors(file), moving: ["model.layers.1.mlp.up_proj"])
    #expect {
      _ = try VARGPT(file: file, source: source, options: VARGPT.Options(threadCount: 1))
    } throws: {
      ($0 as? ModelError)?.code == .mismatchedTensor
    }
  }

  // MARK: Weights that are not numbers

  @Test func logitsThatAreNotNumbersAreTold() throws {
    let model = try model(spoiling: ["model.norm.weight"])
    for temperature in [0, 0.8] {
      let sampling = TextSampling(temperature: temperature, maximumTokens: 3)
      #expect(
        code { _ = try model.understand(Prompt("Who?"), sampling: sampling) } == .unusableModel)
    }
  }

  @Test func pixelsThatAreNotNumbersAreTold() throws {
    let model = try model(spoiling: ["vae_local.decoder.conv_out"])
    #expect(
      code {
        _ = try model.draw(
          Prompt("A"), options: DrawingOptions(cfgScale: 1), forcesDrawing: true)
      } == .unusableModel)
  }

  // MARK: Requests

  @Test func optionsOutsideTheirRangesAreRefused() throws {
    let path = try TinyModel.path(recipe: "f32")
    for threadCount in [-1, 0, 257] {
      let options = VARGPT.Options(threadCount: threadCount)
      #expect(code { _ = try VARGPT(path: path, options: options) } == .invalidRequest)
    }
    for set in InstructionSet.allCases where !set.isSupported {
      let options = VARGPT.Options(instructionSet: set)
      #expect(code { _ = try VARGPT(path: path, options: options) } == .invalidRequest)
    }
    let model = try TinyModel.f32()
    for sampling in [
      TextSampling(temperature: -1), TextSampling(temperature: .nan), TextSampling(topP: 1.5),
      TextSampling(topK: -1), TextSampling(repetitionPenalty: 0), TextSampling(maximumTokens: -1),
    ] {
      #expect(code { _ = try model.understand(Prompt("A"), sampling: sampling) } == .invalidRequest)
      #expect(code { _ = try Chat(model, sampling: sampling) } == .invalidRequest)
    }
    for options in [
      DrawingOptions(cfgScale: -1), DrawingOptions(cfgScale: .infinity), DrawingOptions(tau: 0),
      DrawingOptions(tau: .nan), DrawingOptions(topP: -0.1), DrawingOptions(size: .pixels(100)),
    ] {
      #expect(
        code { _ = try model.draw(Prompt("A"), options: options, forcesDrawing: true) }
          == .invalidRequest)
      #expect(code { _ = try Chat(model, drawing: options) } == .invalidRequest)
    }
    #expect(code { _ = try Chat(model, contextTokens: 0) } == .invalidRequest)
    let picture = try TinyModel.picture("scene_0")
    for pixels in [PixelBounds(minimum: 0), PixelBounds(maximum: 0), PixelBounds(maximum: -9)] {
      let prompt = Prompt("A", images: [picture])
      #expect(code { _ = try model.understand(prompt, pixels: pixels) } == .invalidRequest)
    }
  }

  @Test func forcedBitsMustFitTheScales() throws {
    let model = try TinyModel.f32()
    for bits in [[], [[UInt8](repeating: 1, count: 100_000)]] {
      #expect(
        code { _ = try model.draw(Prompt("A"), forcesDrawing: true, forcedBits: bits) }
          == .invalidRequest)
    }
  }

  @Test func moreTextThanTheContextHoldsIsTold() throws {
    let model = try TinyModel.f32()
    var limits: [Int] = []
    let answer = try model.understand(
      Prompt("Who are you?"), sampling: TextSampling(maximumTokens: .max),
      events: { if case .textLimited(let tokenCount) = $0 { limits.append(tokenCount) } })
    #expect(limits == [4096 - answer.promptTokens + 1])
    #expect(!answer.isCut)
  }

  @Test func aPromptBeyondTheContextIsRefusedBeforeThePicturesAreSeen() throws {
    let model = try TinyModel.f32()
    let pictures = [RGBImage](repeating: try TinyModel.picture("scene_0"), count: 3)
    let prompt = Prompt(String(repeating: "zebra ", count: 4096), images: pictures)
    var isSeen = false
    let code = code {
      _ = try model.understand(
        prompt, events: { if case .encoding = $0 { isSeen = true } })
    }
    #expect(code == .contextFull)
    #expect(!isSeen)
  }
}
