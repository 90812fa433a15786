import VARKernels
import VARLite
import VARModels
import VARVision
import VQ4Format

/// Options of a runtime and a model at once.
struct RunOptions {
  var threadCount = Runtime.Options().threadCount
  var instructionSet = InstructionSet.best
  var kvType: KVType?
  var residency = Residency.automatic
  var memoryBudgetBytes: Int?

  var shared: Runtime.Options {
    Runtime.Options(
      threadCount: threadCount, instructionSet: instructionSet,
      memoryBudgetBytes: memoryBudgetBytes)
  }

  var own: Model.Options { .init(kvType: kvType, residency: residency) }
}

extension TextSampling {
  /// Goes on until so many tokens are there.
  static func endless(
    maximumTokens: Int, repetitionPenalty: Double? = nil
  ) -> TextSampling {
    var sampling = TextSampling(maximumTokens: maximumTokens)
    sampling.repetitionPenalty = repetitionPenalty
    sampling.ignoresEndOfSequence = true
    return sampling
  }
}

/// What a person types, with pictures.
struct Prompt {
  var text: String
  var images: [RGBImage]
  var system: String?

  init(_ text: String, images: [RGBImage] = [], system: String? = nil) {
    self.text = text
    self.images = images
    self.system = system
  }

  func request() throws -> Request {
    let first = system.map { [Message(.system, $0)] } ?? []
    return Request(
      messages: first + [try Message(typed: text, pictures: images.map { Picture($0) })])
  }
}

/// A model of a runtime of its own.
extension Model {
  convenience init(path: String, options: RunOptions = RunOptions()) throws {
    try self.init(file: VQ4File(path: path), source: nil, options: options)
  }

  convenience init(
    file: VQ4File, source: (any WeightSource & Sendable)?, options: RunOptions
  ) throws {
    try self.init(file, source: source, options.own, Runtime(options: options.shared))
  }

  func understand(
    _ prompt: Prompt, sampling: TextSampling = TextSampling(), maximumPixels: Int? = nil,
    recorder: TraceRecorder? = nil, events: (Event) -> Void = { _ in }
  ) throws -> Response {
    var request = try prompt.request()
    request.text = sampling
    request.maximumPicturePixels = maximumPixels
    return try run(request, instruments: Instruments(recorder: recorder), events: events)
  }

  func draw(
    _ prompt: Prompt, options: DrawingRequest = DrawingRequest(),
    _ start: DrawingRequest.Start = .afterText, text: TextSampling = TextSampling(),
    maximumPixels: Int? = nil, instruments: Instruments = Instruments(),
    stop: StopSignal = StopSignal(), events: (Event) -> Void = { _ in }
  ) throws -> Response {
    var request = try prompt.request()
    request.text = text
    request.drawing = options
    request.drawing?.start = start
    request.maximumPicturePixels = maximumPixels
    return try run(request, instruments: instruments, stop: stop, events: events)
  }
}

/// Asks to stop after so many questions; nil never does.
final class Countdown: @unchecked Sendable {
  var left: Int?

  init(_ left: Int? = nil) { self.left = left }

  var stop: StopSignal {
    StopSignal(polling: { [self] in
      guard let left else { return nil }
      self.left = left - 1
      return left <= 0 ? .now : nil
    })
  }
}

extension Response {
  /// The picture; where there is none, one that equals no other.
  var image: RGBImage { picture ?? RGBImage(width: 1, height: 1, pixels: [1, 2, 3]) }
  /// Bits of each scale.
  var bits: [[UInt8]] { drawing?.bits ?? [] }
  var isCut: Bool { end == .length }
}

extension Conversation {
  /// Reads a turn, and nothing more.
  func append(_ prompt: Prompt) throws {
    var request = try prompt.request()
    request.text.maximumTokens = 4
    try readPrompt(of: request)
  }
}

extension DrawingRequest {
  init(
    size: DrawingSize = .modelDefault, cfgScale: Double? = nil, tau: Double? = nil,
    topP: Double? = nil, isGreedy: Bool = false, seed: UInt64 = 0
  ) {
    self.init(size: size, aspect: .modelDefault, cfgScale: cfgScale, isGreedy: isGreedy, seed: seed)
    (self.tau, self.topP) = (tau, topP)
  }
}

/// A conversation in which every turn may draw.
final class Chat {
  let session: ChatSession
  var sampling: TextSampling
  var drawing: DrawingRequest
  var stop = StopSignal()

  init(
    _ model: Model, contextTokens: Int = 2048, drawing: DrawingRequest = DrawingRequest(),
    sampling: TextSampling = TextSampling()
  ) throws {
    session = try ChatSession(model, contextTokens: contextTokens)
    self.sampling = sampling
    self.drawing = drawing
  }

  var conversation: Conversation { session.conversation }
  var tokenCount: Int { session.tokenCount }

  func say(
    _ prompt: Prompt, _ start: DrawingRequest.Start = .whereTheModelStarts
  ) throws -> Response {
    var request = try prompt.request()
    request.text = sampling
    if session.canDraw || start != .whereTheModelStarts {
      request.drawing = drawing
      request.drawing?.start = start
    }
    return try session.run(request, stop: stop)
  }
}
