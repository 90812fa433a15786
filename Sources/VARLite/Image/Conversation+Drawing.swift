import VARKernels
import VARModels
import VARVision

extension Conversation {
  /// Draws the picture that the conversation's last token starts.
  ///
  /// - Parameter forcedBits: bits to use instead of drawing, per scale.
  package func draw(
    forcedBits: [[UInt8]]? = nil, events: (GenerationEvent) -> Void
  ) throws -> (image: RGBImage, bits: [[UInt8]], ownBits: [[UInt8]]) {
    guard let session, var drawing = try options.drawing?.drawing(model, weights: weights) else {
      preconditionFailure("the conversation was made without drawing")
    }
    if let forcedBits { try drawing.force(forcedBits) }
    let grid = drawing.schedule.finalGrid
    if !model.configuration.knows(grid) {
      let stride = model.configuration.vae.stride
      events(
        .unknownDrawingSize(
          PixelSize(height: grid.height * stride, width: grid.width * stride),
          known: model.configuration.training.sizes))
    }
    if plan?.phase(.drawing) == nil {
      // A later turn's answer turned out to be a picture.
      let plan = try planner.fittingPlan(PlannedTurn(promptTokens: 0, forcesDrawing: true))
      adopt(plan)
      events(.planned(plan))
    }
    let drawn = try drawCodes(drawing, session, events)
    if options.contextTokens == nil { releaseSession() }
    let image = try decode(drawn.codes, grid: drawing.schedule.finalGrid, events: events)
    return (image, drawn.bits, drawn.ownBits)
  }

  private func drawCodes(
    _ drawing: ImageDrawing, _ session: LanguageSession, _ events: (GenerationEvent) -> Void
  ) throws -> DrawnCodes {
    recorder?.record(
      "scale_schedule", shape: [drawing.schedule.scales.count, 3],
      integers: drawing.schedule.scales.flatMap { [1, $0.height, $0.width] })
    // Weights of the conversation leave the memory before that of the drawing is taken.
    try begin(.drawingContext, events: events)
    var plan = MemoryPlan()
    let layout = drawing.reserve(
      &plan, contextTokens: session.ids.count - 1, kvType: model.kvType)
    guard let arena = Arena(plan) else { throw GenerationError.noMemory(plan.byteCount) }
    return try drawing.draw(
      session, layout: layout, arena: arena, run, begin: { try begin($0, events: events) },
      progress: { scale, drawnTokens in
        events(
          .drawing(
            scale: scale, scaleCount: drawing.schedule.scales.count, drawnTokens: drawnTokens,
            tokenCount: drawing.schedule.tokenCount))
      })
  }

  /// Pixels of codes `[grid, codebookDim]`.
  func decode(
    _ codes: [Float], grid: GridSize, events: (GenerationEvent) -> Void
  ) throws -> RGBImage {
    let vae = model.configuration.vae
    try begin(.decoding, events: events)
    let decoder = VAEDecoder(vae, weights: weights)
    var plan = MemoryPlan()
    let layout = decoder.reserve(&plan, grid: grid, threadCount: model.options.threadCount)
    guard let arena = Arena(plan) else { throw GenerationError.noMemory(plan.byteCount) }
    var picture = DecodedPicture(
      width: grid.width * vae.stride, height: grid.height * vae.stride,
      keepsFloats: run.trace != nil)
    try codes.withRows(columns: vae.codebookDim) { codes in
      try decoder.decode(
        codes, grid: grid, workspace: VAEWorkspace(layout, arena: arena), run,
        progress: { events(.decoding(level: $0, levelCount: $1)) },
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
    recorder?.record("image_u8", shape: [picture.height, picture.width, 3], bytes: picture.bytes)
    return RGBImage(width: picture.width, height: picture.height, pixels: picture.bytes)
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
