import Testing
import VARCheckpoint
import VARConversion
import VARKernels
import VARLite
import VARModels
import VARQuantization
import VARSystem
import VARTestSupport
import VARVision
import VQ4Format

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Colours of codes: what is fitted, what is stored, and what they are worth.
@Suite struct PreviewMapTests {
  /// Colours that are linear in codes give a map that gives the colours back.
  @Test func aLinearPictureIsFittedExactly() throws {
    let (dim, grid) = (5, GridSize(height: 20, width: 30))
    var random = SplitMix64(seed: 4)
    func number() -> Float { Float(random.next() >> 40) / Float(1 << 23) - 1 }
    let codes = (0..<dim * grid.tokenCount).map { _ in number() }
    var colours: [Double] = []
    for token in 0..<grid.tokenCount {
      // Of the token itself, of the one to its left, and a constant.
      let left = token % grid.width == 0 ? token : token - 1
      let (own, other) = (codes[token * dim + 1], codes[left * dim + 3])
      colours += [Double(own) / 4 + 0.25, Double(other) / 2, Double(own - other) / 4]
    }
    var fit = PreviewFit(codebookDim: dim)
    codes.withRows(columns: dim) { fit.add(codes: $0, grid: grid, colours: colours) }
    let map = try #require(fit.map())
    let found = codes.withRows(columns: dim) { map.colours(of: $0, grid: grid) }
    let expected = colours.map { Int(($0 + 1) / 2 * 255) }
    // Weights are a little smaller than the best.
    #expect(zip(found, expected).allSatisfy { abs(Int($0) - $1) <= 3 })
    #expect(try PreviewMap(bytes: map.bytes) == map)
  }

  @Test func damagedMapsAreRefused() throws {
    var fit = PreviewFit(codebookDim: 2)
    var codes: [Float] = [1, 0, 0, 1, 1, 1]
    codes.withMutableRows(columns: 2) {
      fit.add(
        codes: $0, grid: GridSize(height: 1, width: 3),
        colours: [Double](repeating: 0.5, count: 9))
    }
    let bytes = try #require(fit.map()).bytes
    #expect(bytes.count == 8 + 3 * 19 * 4)
    func refused(_ change: (inout [UInt8]) -> Void) -> String {
      var changed = bytes
      change(&changed)
      do throws(ConfigurationError) {
        _ = try PreviewMap(bytes: changed)
        return ""
      } catch { return "\(error)" }
    }
    #expect(refused { $0[0] = 2 }.contains("version 2"))
    #expect(refused { $0[4] = 3 }.contains("344 are expected"))
    #expect(refused { $0[4] = 0 }.contains("for 0 codes"))
    #expect(refused { $0[5] = 2 }.contains("for 514 codes"))
    #expect(refused { $0.removeLast() }.contains("has 235 bytes"))
    #expect(refused { $0 = [1, 0, 0] }.contains("has 3 bytes"))
    // An exponent of all ones, and one of 2^17.
    #expect(refused { $0[10...11] = [0x80, 0x7F] }.contains("no number"))
    #expect(refused { $0[10...11] = [0x00, 0x48] }.contains("too large"))
  }

  /// A conversion's map is the same for all instruction sets and numbers of threads, and stands in the file.
  @Test func theMapDoesNotDependOnTheMachine() throws {
    let conversion = try Conversion(
      of: Checkpoint(path: Fixtures.path("tiny")),
      options: ConversionOptions(recipe: try Recipe(builtIn: "f32")))
    let stored = try VQ4File(path: TinyModel.path(recipe: "f32"))
      .attachment(PreviewMap.attachmentName)
    #expect(stored != nil)
    for (index, set) in InstructionSet.supported.enumerated() {
      let pool = try #require(ThreadPool(threadCount: 1 + index % 3))
      #expect(try conversion.previewMap(pool, set) == stored, "\(set)")
    }
  }

  private static func pictures(_ range: Range<Int>, _ model: Model) throws -> [Tokens] {
    try range.map { index in
      let number = "\(1000 + index)".dropFirst()
      return try Tokens(
        ImageDecoder.decode(path: Fixtures.path("shapes-eval/edit_source/\(number).png")), model)
    }
  }

  /// Pictures by the decoder of a trained model, averaged for each token, against a map: it is at least 6 dB nearer
  /// than the mean colour, on pictures that it was not fitted to.
  @Test func aMapIsNearThePictureDecoder() throws {
    let demo = Fixtures.path("../../Sources/CVARDemoModel/Resources/shapes.vq4")
    let model = try Runtime(options: .init(threadCount: 2)).open(demo)
    #expect(!model.hasQuickPreviews)
    var fit = PreviewFit(codebookDim: model.configuration.vae.codebookDim)
    for tokens in try Self.pictures(0..<24, model) {
      tokens.withCodes { fit.add(codes: $0, grid: tokens.grid, colours: tokens.colours) }
    }
    let map = try #require(fit.map())
    let gain = Tokens.gain(of: map, on: try Self.pictures(24..<32, model))
    #expect(gain >= 6, "\(gain) dB")
  }

  /// The map that a conversion fits to synthetic pictures, on real ones.
  @Test(
    .enabled(
      if: ShapesCheckpoint.path != nil,
      "VARLITE_SHAPES_CHECKPOINT names no folder with the original checkpoint (37 MB)"))
  func aConversionsMapIsNearThePictureDecoder() throws {
    let folder = TemporaryDirectory()
    let path = folder.file("shapes.vq4")
    let checkpoint = try Checkpoint(path: try #require(ShapesCheckpoint.path))
    var options = ConversionOptions(recipe: try Recipe(builtIn: "balanced"))
    options.withPreviewMap = true
    _ = try Conversion(of: checkpoint, options: options).write(to: path)
    let model = try Runtime(options: .init(threadCount: 2)).open(path)
    let gain = Tokens.gain(
      of: try #require(model.previewMap), on: try Self.pictures(0..<32, model))
    #expect(gain >= 6, "\(gain) dB")
  }
}

/// The codes of a picture and what the picture decoder makes of each token on average.
private struct Tokens {
  private let codes: [Float]
  private let dim: Int
  let grid: GridSize
  /// `[tokens, 3]` within -1...1.
  let colours: [Double]

  init(_ picture: RGBImage, _ model: Model) throws {
    let schedule = model.configuration.schedule
    let stride = model.configuration.vae.stride
    dim = model.configuration.vae.codebookDim
    let made = try model.reconstruct(picture)
    codes = BinaryQuantizer(codebookDim: dim, schedule: schedule).sum(of: made.bits)
    grid = schedule.finalGrid
    var sums = TokenColours(grid: grid, stride: stride)
    var pixels = made.picture.signedFloats()
    pixels.withMutableRows(columns: made.picture.width * 3) { sums.add(0..<$0.count, $0) }
    colours = sums.means
  }

  func withCodes<Result>(_ body: (Rows) -> Result) -> Result {
    codes.withRows(columns: dim) { body($0) }
  }

  /// Squared errors of the map, and of one colour for all.
  func errors(of map: PreviewMap, beside mean: [Double]) -> (map: Double, mean: Double) {
    let found = withCodes { map.colours(of: $0, grid: grid) }.map { Double($0) / 127.5 - 1 }
    return colours.indices.reduce(into: (0.0, 0.0)) { sums, index in
      let (error, spread) = (found[index] - colours[index], colours[index] - mean[index % 3])
      sums = (sums.0 + error * error, sums.1 + spread * spread)
    }
  }

  /// How much nearer to pictures a map is than their mean colour, in dB.
  static func gain(of map: PreviewMap, on pictures: [Tokens]) -> Double {
    let count = pictures.reduce(0) { $0 + $1.grid.tokenCount }
    let mean = (0..<3).map { channel in
      pictures.reduce(0) { sum, picture in
        stride(from: channel, to: picture.colours.count, by: 3).reduce(sum) {
          $0 + picture.colours[$1]
        }
      } / Double(count)
    }
    let errors = pictures.map { $0.errors(of: map, beside: mean) }
    return 10
      * log10(
        errors.reduce(0) { $0 + $1.mean } / max(errors.reduce(0) { $0 + $1.map }, 1e-12))
  }
}
