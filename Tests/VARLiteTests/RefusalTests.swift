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
  private func code(_ body: () throws -> Void) -> VARLiteError.Category? {
    do {
      try body()
      return nil
    } catch {
      return (error as? VARLiteError)?.category
    }
  }

  private func model(hiding: [String] = [], spoiling: [String] = []) throws -> Model {
    let file = try VQ4File(path: TinyModel.path(recipe: "f32"))
    let source = HidingWeightSource(
      file: file, tensors: try TinyModel.tensors(file), hiding: hiding, spoiling: spoiling)
    return try Model(file: file, source: source, options: RunOptions(threadCount: 2))
  }

  private static let short = TextSampling(maximumTokens: 3)

  // MARK: Parts that a recipe left out

  @Test func withoutAGeneratorItStillTalks() throws {
    let model = try model(hiding: ["vargpt_gen", "image_gen_projector"])
    #expect(!model.canDraw)
    #expect(code { _ = try model.draw(Prompt("A circle."), .atOnce) } == .model)
    #expect(try !model.understand(Prompt("Who are you?"), sampling: Self.short).tokens.isEmpty)
    let chat = try Chat(model, sampling: Self.short)
    #expect(try chat.say(Prompt("Who are you?")).picture == nil)
    #expect(
      code { _ = try chat.say(Prompt("A circle."), .atOnce) } == .model)
  }

  @Test func withoutAVisionTowerItReadsText() throws {
    let model = try model(hiding: ["visual."])
    let picture = try TinyModel.picture("scene_0")
    #expect(
      code { _ = try model.understand(Prompt("What?", images: [picture])) } == .model)
    #expect(try !model.understand(Prompt("Who are you?"), sampling: Self.short).tokens.isEmpty)
  }

  @Test func withoutAnEncoderItDraws() throws {
    let model = try model(hiding: ["vae_local.encoder"])
    #expect(code { _ = try model.reconstruct(TinyModel.picture("scene_0")) } == .model)
    let options = DrawingRequest(cfgScale: 1)
    #expect(try model.draw(Prompt("A"), options: options, .atOnce).image.width > 0)
  }

  @Test func withoutALanguageModelItOnlyReconstructs() throws {
    let model = try model(hiding: ["model."])
    #expect(!model.canDraw)
    #expect(code { _ = try model.understand(Prompt("Who are you?")) } == .model)
    #expect(code { _ = try model.draw(Prompt("A"), .atOnce) } == .model)
    #expect(try model.reconstruct(TinyModel.picture("scene_0")).picture.width > 0)
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
    let model = try Model(file: file, source: source, options: RunOptions(threadCount: 2))
    #expect(code { _ = try model.understand(Prompt("A")) } == .model)
    let small = DrawingRequest(size: .budget(.budget006M), cfgScale: 1)
    #expect(try model.draw(Prompt("A"), options: small, .atOnce).image.width == 256)
  }

  /// A reader acquires a group once for all its tensors.
  @Test func tensorsOfOneGroupMustLieTogether() throws {
    let file = try VQ4File(path: TinyModel.path(recipe: "f32"))
    let source = HidingWeightSource(
      file: file, tensors: try TinyModel.tensors(file), moving: ["model.layers.1.mlp.up_proj"])
    #expect {
      _ = try Model(file: file, source: source, options: RunOptions(threadCount: 1))
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
        code { _ = try model.understand(Prompt("Who?"), sampling: sampling) } == .model)
    }
  }

  @Test func pixelsThatAreNotNumbersAreTold() throws {
    let model = try model(spoiling: ["vae_local.decoder.conv_out"])
    #expect(
      code {
        _ = try model.draw(
          Prompt("A"), options: DrawingRequest(cfgScale: 1), .atOnce)
      } == .model)
  }

  // MARK: Requests

  @Test func optionsOutsideTheirRangesAreRefused() throws {
    let path = try TinyModel.path(recipe: "f32")
    for threadCount in [-1, 0, 257] {
      let options = RunOptions(threadCount: threadCount)
      #expect(code { _ = try Model(path: path, options: options) } == .request)
    }
    for set in InstructionSet.allCases where !set.isSupported {
      let options = RunOptions(instructionSet: set)
      #expect(code { _ = try Model(path: path, options: options) } == .request)
    }
    let model = try TinyModel.f32()
    for sampling in [
      TextSampling(temperature: -1), TextSampling(temperature: .nan), TextSampling(topP: 1.5),
      TextSampling(topK: -1), TextSampling(maximumTokens: -1),
      .endless(maximumTokens: 1, repetitionPenalty: 0),
    ] {
      #expect(code { _ = try model.understand(Prompt("A"), sampling: sampling) } == .request)
      #expect(
        code { _ = try Chat(model, sampling: sampling).say(Prompt("A")) } == .request)
    }
    for options in [
      DrawingRequest(cfgScale: -1), DrawingRequest(cfgScale: .infinity), DrawingRequest(tau: 0),
      DrawingRequest(tau: .nan), DrawingRequest(topP: -0.1), DrawingRequest(size: .pixels(100)),
    ] {
      #expect(
        code { _ = try model.draw(Prompt("A"), options: options, .atOnce) }
          == .request)
      #expect(code { _ = try Chat(model, drawing: options).say(Prompt("A")) } == .request)
    }
    #expect(code { _ = try Chat(model, contextTokens: 0) } == .request)
    let picture = try TinyModel.picture("scene_0")
    for (least, largest) in [(0, nil), (nil, 0), (nil, -9)] as [(Int?, Int?)] {
      var request = Request("A", pictures: [Picture(picture)])
      (request.minimumPicturePixels, request.maximumPicturePixels) = (least, largest)
      #expect(code { _ = try model.run(request) } == .request)
    }
  }

  @Test func forcedBitsMustFitTheScales() throws {
    let model = try TinyModel.f32()
    for bits in [[], [[UInt8](repeating: 1, count: 100_000)]] {
      #expect(
        code {
          _ = try model.draw(Prompt("A"), .atOnce, instruments: Instruments(forcedBits: bits))
        } == .request)
    }
  }

  @Test func moreTextThanTheContextHoldsIsTold() throws {
    let model = try TinyModel.f32()
    var limits: [Int] = []
    let answer = try model.understand(
      Prompt("Who are you?"), sampling: TextSampling(maximumTokens: .max),
      events: { event in
        if let note = event.note, note.kind == .limitedText { limits.append(note.tokenCount ?? 0) }
      })
    #expect(limits == [4096 - answer.usage.promptTokens + 1])
    #expect(!answer.isCut)
  }

  @Test func aPromptBeyondTheContextIsRefusedBeforeThePicturesAreSeen() throws {
    let model = try TinyModel.f32()
    let pictures = Array(repeating: try TinyModel.picture("scene_0"), count: 3)
    let prompt = Prompt(String(repeating: "zebra ", count: 4096), images: pictures)
    var isSeen = false
    let code = code {
      _ = try model.understand(
        prompt, events: { if $0.progress?.stage == .looking { isSeen = true } })
    }
    #expect(code == .contextFull)
    #expect(!isSeen)
  }
}
