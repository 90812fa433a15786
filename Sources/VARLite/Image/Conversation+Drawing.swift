import VARKernels
import VARModels
import VARVision

/// What stands before a drawing: the prompt, and the words up to the start of the picture.
struct DrawingOrigin {
  let prompt: PromptHash
  let answerTokens: [Int32]
}

extension Conversation {
  /// Draws the picture that the conversation's last token starts, and puts it into the response.
  func draw(_ turn: PreparedRequest, _ origin: DrawingOrigin, _ response: inout Response) throws {
    guard let session, let request = turn.request.drawing else {
      preconditionFailure("a picture starts that was not asked for")
    }
    reporter.drawsPicture = true
    var drawing = try request.drawing(model)
    if let forced = instruments.forcedBits { try drawing.force(forced) }
    if plan?.phase(.drawing) == nil {
      // A session's answer turned out to be a picture.
      try admit(turn, isPictureOnly: true)
    }
    var state = DrawingState(request, origin, drawing, self)
    if let earlier = request.history {
      try earlier.requireSameStart(state)
    }
    reportUnknownSize(drawing)
    if request.hasPreviews, request.previewQuality == .quick, !model.hasQuickPreviews {
      reporter.report(.note(Note(.decodedPreviews)))
    }
    let drawn: DrawnCodes
    if isComplete(request.history, begunAs: state), let complete = drawing.keptCodes {
      drawn = complete
    } else {
      drawn = try drawCodes(drawing, session, RequestedDrawing(self, request, drawing, state))
    }
    releaseSession()
    state.bits = drawn.bits
    response.drawing = state
    response.ownBits = drawn.ownBits
    response.usage.drawnTokens = drawing.schedule.scales.prefix(drawn.bits.count)
      .reduce(0) { $0 + $1.tokenCount }
    response.end = state.isComplete ? .drawn : .stopped
    response.picture = try decode(drawn.codes, grid: drawing.schedule.finalGrid)
  }

  /// Whether nothing is left to draw of an earlier drawing, and nobody looks at how it is drawn.
  private func isComplete(_ earlier: DrawingState?, begunAs state: DrawingState) -> Bool {
    guard var earlier, earlier.isComplete, contextTokens == nil, run.trace == nil else {
      return false
    }
    earlier.bits = []
    return earlier == state
  }

  private func reportUnknownSize(_ drawing: ImageDrawing) {
    let grid = drawing.schedule.finalGrid
    guard !model.configuration.knows(grid) else { return }
    let stride = model.configuration.vae.stride
    var note = Note(.unknownDrawingSize)
    note.size = PixelSize(height: grid.height * stride, width: grid.width * stride)
    note.knownSizes = model.configuration.training.sizes
    reporter.report(.note(note))
  }

  private func drawCodes(
    _ drawing: ImageDrawing, _ session: LanguageSession, _ delegate: RequestedDrawing
  ) throws -> DrawnCodes {
    let scales = drawing.schedule.scales
    reporter.endPart()
    recorder?.record(
      "scale_schedule", shape: [scales.count, 3],
      integers: scales.flatMap { [1, $0.height, $0.width] })
    // The weights of the conversation are given up first, so that the drawing's buffers find their memory.
    try begin(.drawingContext)
    var plan = MemoryPlan()
    let layout = drawing.reserve(
      &plan, contextTokens: session.ids.count - 1, kvType: kvType ?? model.kvType)
    guard let arena = Arena(plan) else { throw VARLiteError.noMemory(plan.byteCount) }
    return try drawing.draw(
      session, DrawingBuffers(layout, arena: arena), weights: weights, run, delegate)
  }

  /// Pixels of codes `[grid, codebookDim]`.
  func decode(
    _ codes: [Float], grid: GridSize, as kind: RequestPhase = .decoding
  ) throws -> RGBImage {
    let vae = model.configuration.vae
    try begin(.decoding, as: kind)
    let decoder = VAEDecoder(vae, weights: weights)
    var plan = MemoryPlan()
    let layout = decoder.reserve(
      &plan, grid: grid, threadCount: model.runtime.options.threadCount)
    guard let arena = Arena(plan) else { throw VARLiteError.noMemory(plan.byteCount) }
    let run = kind == .preview ? run.untraced : run
    if kind == .decoding {
      reporter.begin(
        RequestReporter.Unit(
          Progress(.decoding, total: vae.levelCount), done: 0, share: 0))
    }
    var picture = DecodedPicture(
      width: grid.width * vae.stride, height: grid.height * vae.stride,
      keepsFloats: run.trace != nil)
    try codes.withRows(columns: vae.codebookDim) { codes in
      try decoder.decode(
        codes, workspace: VAEWorkspace(layout, arena: arena), run,
        progress: { level, count in
          guard kind == .decoding else { return }
          // Before the first level stands the decoder's input.
          let done =
            level == count ? 1 : reporter.share(ofStage: .decoding, pieceCount: level + 1)
          var unit = RequestReporter.Unit(
            Progress(.decoding, done: level, total: count), done: done, share: 0)
          unit.partDone = done
          reporter.begin(unit)
        },
        pixels: { picture.append($1) })
    }
    guard !picture.hasFaults else {
      throw FiniteNumbers.failure("picture decoder", model.path)
    }
    if !picture.floats.isEmpty {
      run.trace?.record(
        "image_float", height: picture.height, width: picture.width, channels: 3,
        map: picture.floats)
    }
    if kind == .decoding {
      recorder?.record("image_u8", shape: [picture.height, picture.width, 3], bytes: picture.bytes)
    }
    return RGBImage(width: picture.width, height: picture.height, pixels: picture.bytes)
  }
}

/// What a request does between the scales of its drawing: it tells how far it is, shows previews, and stops.
private struct RequestedDrawing: DrawingDelegate {
  private let conversation: Conversation
  private let request: DrawingRequest
  private let schedule: ScaleSchedule
  private let layerCounts: [Int]
  private let state: DrawingState

  init(
    _ conversation: Conversation, _ request: DrawingRequest, _ drawing: ImageDrawing,
    _ state: DrawingState
  ) {
    self.conversation = conversation
    self.request = request
    self.state = state
    schedule = drawing.schedule
    let configuration = drawing.configuration
    layerCounts = [configuration.languageModel.numHiddenLayers, configuration.generator.depth]
  }

  private var scaleCount: Int { schedule.scales.count }

  func beginScales() throws { try conversation.begin(.drawing(scaleCount: scaleCount)) }

  func begin(_ scale: ScaleStep) {
    let reporter = conversation.reporter
    let (before, own) = (reporter.workBefore(scale.index), reporter.workBefore(scale.index + 1))
    var unit = RequestReporter.Unit(
      Progress(.drawing, index: scale.index, done: scale.index, total: scaleCount), done: before,
      share: own - before)
    unit.layerCounts = layerCounts
    reporter.begin(unit)
  }

  func end(_ scale: ScaleStep, bits: [[UInt8]], sum: Rows) throws -> Bool {
    let reporter = conversation.reporter
    var state = state
    state.bits = bits
    reporter.report(.scale(DrawnScale(index: scale.index, count: scaleCount, state: state)))
    let isLast = scale.index + 1 == scaleCount
    if isLast {
      reporter.begin(
        RequestReporter.Unit(
          Progress(.drawing, index: scale.index, done: scaleCount, total: scaleCount), done: 1,
          share: 0))
    }
    let goesOn = !reporter.stop.isRequested
    if goesOn, request.hasPreview(afterScale: scale.index, of: scaleCount) {
      reporter.report(.preview(try preview(sum, scaleCount: scale.index + 1)))
    }
    return goesOn
  }

  private func preview(_ sum: Rows, scaleCount: Int) throws -> Preview {
    let (model, grid) = (conversation.model, schedule.finalGrid)
    if request.previewSource(model) == .quick, let map = model.previewMap {
      let picture = RGBImage(
        width: grid.width, height: grid.height, pixels: map.colours(of: sum, grid: grid))
      return Preview(scaleCount: scaleCount, picture: picture, isQuick: true)
    }
    let picture = try conversation.decode(Array(sum.values), grid: grid, as: .preview)
    try beginScales()
    return Preview(scaleCount: scaleCount, picture: picture, isQuick: false)
  }
}

extension DrawingState {
  fileprivate init(
    _ request: DrawingRequest, _ origin: DrawingOrigin, _ drawing: ImageDrawing,
    _ conversation: Conversation
  ) {
    let model = conversation.model
    let settings = request.settings(model.configuration.imageSampling, drawing.schedule)
    self.init(
      model: model.contentHash, promptHash: origin.prompt.text,
      pictureHashes: origin.prompt.pictures, kvType: conversation.kvType ?? model.kvType,
      schedule: drawing.schedule,
      cfgScale: settings.cfgScale, tau: settings.tau, topP: settings.topP,
      isGreedy: settings.isGreedy,
      guidedScaleCount: settings.guidedScaleCount, denseScaleCount: settings.denseScaleCount,
      seed: request.seed, coarseSeeds: request.coarseSeeds, startsAtOnce: request.startsAtOnce,
      answerTokens: origin.answerTokens, bits: [])
  }

  /// Throws `request` where a drawing would go on with another prompt or cache than it began with.
  fileprivate func requireSameStart(_ other: DrawingState) throws(VARLiteError) {
    guard kvType == other.kvType else {
      throw VARLiteError(
        .request,
        "the saved drawing was made with keys and values in \(kvType.rawValue), this one has "
          + other.kvType.rawValue)
    }
    guard promptHash == other.promptHash else {
      throw VARLiteError(
        .request,
        "the saved drawing was made with another prompt, another system message, or other pictures; "
          + "give the same ones")
    }
  }
}

/// A picture that comes row by row.
private struct DecodedPicture {
  let width, height: Int
  private(set) var bytes: [UInt8] = []
  /// The values that the bytes were made from, where a trace wants them.
  private(set) var floats: [Float] = []
  /// Whether a value was no number.
  private(set) var hasFaults = false
  private let keepsFloats: Bool

  init(width: Int, height: Int, keepsFloats: Bool) {
    self.width = width
    self.height = height
    self.keepsFloats = keepsFloats
    bytes.reserveCapacity(width * height * 3)
  }

  /// - Parameter rows: rows of the picture, each `[width, 3]` within -1...1.
  mutating func append(_ rows: Rows) {
    let values = UnsafeBufferPointer(rows.values)
    hasFaults = hasFaults || !FiniteNumbers.areFinite(values)
    guard !hasFaults else { return }
    // The reference truncates.
    bytes.append(contentsOf: values.lazy.map { UInt8(($0 + 1) / 2 * 255) })
    if keepsFloats { floats.append(contentsOf: values) }
  }
}
