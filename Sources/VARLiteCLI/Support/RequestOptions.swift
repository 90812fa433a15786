import ArgumentParser
import VARKernels
import VARLite
import VARModels
import VARSharedCLI
import VARVision

/// What the user says, as an argument or as an option.
struct PromptOption: ParsableArguments {
  @Option(
    name: .shortAndLong,
    help: ArgumentHelp("The text, as an option instead of the argument.", valueName: "text"))
  var prompt: String?

  /// - Parameters:
  ///   - argument: the text where it stands without an option.
  ///   - name: what the text is.
  func text(_ argument: String?, _ name: String) throws -> String {
    switch (argument, prompt) {
    case (let text?, nil), (nil, let text?): return text
    case (nil, nil): throw ValidationError("Missing expected argument '<\(name)>'")
    case (_?, _?):
      throw ValidationError("the \(name) stands twice: as an argument and after --prompt")
    }
  }

  /// The same where the text may be left out.
  func optionalText(_ argument: String?, _ name: String) throws -> String? {
    argument == nil && prompt == nil ? nil : try text(argument, name)
  }
}

/// Pictures that the model looks at.
struct PictureOptions: ParsableArguments {
  /// How names of pictures end, for shells that complete them.
  static let endings = ["png", "jpg", "jpeg", "webp", "PNG", "JPG", "JPEG", "WEBP"]

  @Option(
    name: [.customShort("i"), .customLong("image")],
    help: ArgumentHelp(
      """
      A PNG, JPEG or WebP picture; - is standard input. Repeats. Pictures come before the text, or where it says \
      <image>.
      """,
      valueName: "file"), completion: .file(extensions: PictureOptions.endings))
  var images: [String] = []

  func validate() throws {
    let limit = Request.maximumPictureCount
    if images.count > limit {
      throw ValidationError("--image stands \(images.count) times; at most \(limit) are looked at")
    }
  }
}

/// How large the model sees pictures.
struct PixelOptions: ParsableArguments {
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Enlarge pictures with fewer pixels than this.", valueName: "n"))
  var minPixels: Int?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      """
      Shrink pictures with more pixels than this; default: the model's, at most \
      \(ImagePreprocessing.defaultMaximumTokens) tokens of 28x28.
      """, valueName: "n"))
  var maxPixels: Int?

  func validate() throws {
    for (name, value) in [("--min-pixels", minPixels), ("--max-pixels", maxPixels)] {
      if let value, !(784...100_000_000).contains(value) {
        throw ValidationError("\(name) is 784 to 100000000, not \(value)")
      }
    }
    if let minPixels, let maxPixels, minPixels > maxPixels {
      throw ValidationError("--min-pixels \(minPixels) is more than --max-pixels \(maxPixels)")
    }
  }

  func apply(to request: inout Request) {
    request.minimumPicturePixels = minPixels
    request.maximumPicturePixels = maxPixels
  }
}

/// The system message, how pictures are looked at, and what is recorded.
struct InputOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Replaces the default system message.", valueName: "text"))
  var system: String?

  @OptionGroup var pixels: PixelOptions
  @OptionGroup var promptCacheOption: PromptCacheOption

  @Option(
    help: ArgumentHelp(
      "Write intermediate tensors to this .safetensors file.", valueName: "file.safetensors"),
    completion: .file(extensions: ["safetensors"]))
  var trace: String?

  /// The request of a text argument; `-` reads standard input without its last line break.
  ///
  /// - Parameter ram: memory that the program may take; nil takes what the system has.
  func request(
    _ argument: String, images: [String] = [], ram: ByteCount?
  ) throws -> Request {
    guard ([argument] + images).count(where: { $0 == PictureInput.standardInput }) <= 1 else {
      throw VARLiteError(
        .request,
        "- stands more than once: standard input is either the text or one picture")
    }
    var text = try Self.text(argument)
    if argument == "-", text.last?.isNewline == true { text.removeLast() }
    return try request(
      text: text, pictures: images.map { try PictureInput.picture($0, ram: ram) })
  }

  /// The request of a text that is known.
  func request(text: String, pictures: [Picture]) throws -> Request {
    guard !pictures.isEmpty || text.contains(where: { !$0.isWhitespace }) else {
      throw VARLiteError(.request, "the text is empty; say what you want")
    }
    guard !text.utf8.contains(0) else {
      throw VARLiteError(.request, "the text holds a NUL character; remove it")
    }
    let system = self.system.map { [Message(.system, parts: [.templateText($0)])] } ?? []
    var request = Request(messages: system + [try Message(typed: text, pictures: pictures)])
    pixels.apply(to: &request)
    return request
  }

  static func text(_ argument: String) throws -> String {
    guard argument == "-" else { return argument }
    var input = StandardInput()
    return try input.rest()
  }
}

/// Size, shape and guidance of a picture: what decides how much it takes to draw it.
struct PictureShapeOptions: ParsableArguments {
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Size: the side of a square with as many pixels, 256, 512, 768, 1024 or the model's own.",
      valueName: "px"))
  var size: Int?

  @Option(
    help: ArgumentHelp("Official pixel budget: 0.06M, 0.25M, 0.60M or 1M.", valueName: "budget"),
    completion: .list(PixelBudget.allCases.map(\.rawValue)))
  var pn: String?

  @Option(
    help: ArgumentHelp(
      """
      Shape; the nearest official one is taken. source: that of edit's first picture. Default: the model's own, for \
      edit the nearest to its first picture that the model knows.
      """,
      valueName: "w:h|source"))
  var aspect: String?

  @OptionGroup var guidance: GuidanceOptions

  @Flag(help: "Draw at once; else the model writes a few words first.")
  var forceImage = false

  /// Whether a size or a shape is asked for.
  var isGiven: Bool { size != nil || pn != nil || aspect != nil }

  func validate() throws {
    if size != nil, pn != nil { throw ValidationError("--size and --pn exclude each other") }
    if let pn, PixelBudget(rawValue: pn) == nil {
      let names = PixelBudget.allCases.map(\.rawValue).joined(separator: ", ")
      throw ValidationError("--pn is one of \(names), not \(pn)")
    }
    if let aspect, aspect != "source" { _ = try ratio(aspect) }
  }

  private func ratio(_ text: String) throws -> DrawingAspect {
    let sides = text.split(separator: ":").compactMap { Double($0) }
    guard sides.count == 2, text.split(separator: ":").count == 2,
      sides.allSatisfy({ $0 > 0 && $0 <= 100_000 })
    else {
      throw ValidationError(
        "--aspect is W:H with numbers up to 100000 (for example 3:2) or source, not \(text)")
    }
    return .ratio(width: sides[0], height: sides[1])
  }

  /// - Parameter sourceSize: of edit's first picture; nil for other commands.
  func drawing(ofSize sourceSize: (width: Int, height: Int)?) throws -> DrawingRequest {
    var aspect =
      sourceSize.map { DrawingAspect.nearest(width: Double($0.width), height: Double($0.height)) }
      ?? .modelDefault
    if let text = self.aspect {
      if text == "source" {
        guard let sourceSize else { throw ValidationError("--aspect source needs a picture") }
        aspect = .ratio(width: Double(sourceSize.width), height: Double(sourceSize.height))
      } else {
        aspect = try ratio(text)
      }
    }
    var size = DrawingSize.modelDefault
    if let pixels = self.size { size = .pixels(pixels) }
    if let pn, let budget = PixelBudget(rawValue: pn) { size = .budget(budget) }
    var drawing = DrawingRequest(size: size, aspect: aspect)
    apply(to: &drawing)
    return drawing
  }

  /// Sets what is named besides size and shape.
  func apply(to drawing: inout DrawingRequest) {
    guidance.apply(to: &drawing)
    if forceImage { drawing.start = .atOnce }
  }
}

/// How a picture is drawn.
struct ImageOptions: ParsableArguments {
  @Option(
    name: .shortAndLong,
    help: ArgumentHelp(
      "The PNG or JPEG (.jpg) to write; - is standard output.", valueName: "out.png"),
    completion: .file())
  var output: String

  @OptionGroup var storage: StorageOptions
  @OptionGroup var shape: PictureShapeOptions

  @Flag(help: "Draw only where the model starts a picture by itself; else it is made to.")
  var letModelDecide = false

  @OptionGroup var seedOption: SeedOption

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Temperature of the bits. Default: the model's.", valueName: "x"))
  var tau: Double?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Never draw a bit value with a probability up to 1 - p. Default: the model's.", valueName: "p"
    ))
  var topP: Double?

  @Flag(help: "Take the more probable value of each bit.")
  var greedy = false

  @Flag(help: "Write no prompt, settings or other texts into the picture file.")
  var noMetadata = false

  var seed: UInt64 { seedOption.value }

  func validate() throws {
    if shape.forceImage, letModelDecide {
      throw ValidationError("--force-image and --let-model-decide exclude each other")
    }
    if let tau, !(0.001...1000).contains(tau) {
      throw ValidationError("--tau is 0.001 to 1000, not \(tau)")
    }
    if let topP, !(0...1).contains(topP) {
      throw ValidationError("--top-p is 0 to 1, not \(topP)")
    }
  }

  /// - Parameter source: edit's first picture; nil for other commands.
  func drawing(of source: Picture?) throws -> DrawingRequest {
    var drawing = try shape.drawing(ofSize: source?.extents())
    apply(to: &drawing)
    return drawing
  }

  /// Sets what is named besides size and shape.
  func apply(to drawing: inout DrawingRequest) {
    shape.apply(to: &drawing)
    if letModelDecide { drawing.start = .whereTheModelStarts }
    if let tau { drawing.tau = tau }
    if let topP { drawing.topP = topP }
    if greedy { drawing.isGreedy = true }
    if let seed = seedOption.seed { drawing.seed = seed.value }
  }
}
