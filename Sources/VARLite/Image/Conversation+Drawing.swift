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
    if plan?.phase(.drawing) == nil {
      // A later turn's answer turned out to be a picture.
      adopt(try planner.fittingPlan(PlannedTurn(promptTokens: 0, forcesDrawing: true)))
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
    let (layout, arena) = try makePictureTokenizerMemory(grid: grid)
    let state = BSQVAEState(layout, arena: arena)
    let decoder = VAEDecoder(vae, weights: weights)
    let pixels = try codes.withUnsafeBufferPointer { codes in
      try decoder.decode(codes.baseAddress!, grid: grid, state: state, run) { level, count in
        events(.decoding(level: level, levelCount: count))
      }
    }
    let (height, width) = (grid.height * vae.stride, grid.width * vae.stride)
    try FiniteNumbers.require(
      UnsafeBufferPointer(start: pixels, count: height * width * 3), of: "picture decoder",
      modelPath: model.path)
    run.trace?.record("image_float", height: height, width: width, channels: 3, map: pixels)
    // The reference truncates.
    let bytes = (0..<height * width * 3).map { UInt8((pixels[$0] + 1) / 2 * 255) }
    recorder?.record("image_u8", shape: [height, width, 3], bytes: bytes)
    return RGBImage(width: width, height: height, pixels: bytes)
  }

  func makePictureTokenizerMemory(grid: GridSize) throws -> (BSQVAEState.Layout, Arena) {
    var plan = MemoryPlan()
    let layout = model.reserveDecoder(&plan, grid: grid)
    guard let arena = Arena(plan) else { throw GenerationError.noMemory(plan.byteCount) }
    return (layout, arena)
  }
}

extension VARGPT {
  func reserveDecoder(_ plan: inout MemoryPlan, grid: GridSize) -> BSQVAEState.Layout {
    BSQVAEState.reserve(
      &plan, configuration.vae, grid: grid, threadCount: options.threadCount)
  }

  func reserveEncoder(_ plan: inout MemoryPlan, grid: GridSize) -> BSQVAEState.Layout {
    reserveDecoder(&plan, grid: grid)
  }
}
