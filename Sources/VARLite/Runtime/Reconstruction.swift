import VARKernels
import VARModels
import VARVision

/// A picture after a round trip through the picture tokenizer.
public struct Reconstruction: Sendable {
  /// The picture at the size of the round trip.
  public let picture: RGBImage
  /// Bits of each scale, coarse to fine: `[tokens, codebookDim]`.
  public let bits: [[UInt8]]
  /// Peak signal-to-noise ratio in dB against the picture at the size of the round trip.
  public let psnr: Double
}

extension Model {
  /// Turns a picture into bits per scale and back (MODEL 11).
  ///
  /// The picture is cropped to the shape of the nearest template and resized.
  public func reconstruct(
    _ picture: RGBImage, size: DrawingSize = .modelDefault, stop: StopSignal = StopSignal(),
    events: (Event) -> Void = { _ in }
  ) throws(VARLiteError) -> Reconstruction {
    try reconstruct(
      Picture(picture), size: size, instruments: Instruments(), stop: stop, events: events)
  }

  /// The same of a picture that is decoded when the memory for it was planned. A very large JPEG file is decoded at a
  /// part of its sides.
  public func reconstruct(
    _ picture: Picture, size: DrawingSize = .modelDefault, stop: StopSignal = StopSignal(),
    events: (Event) -> Void = { _ in }
  ) throws(VARLiteError) -> Reconstruction {
    try reconstruct(
      picture, size: size, instruments: Instruments(), stop: stop, events: events)
  }

  package func reconstruct(
    _ picture: RGBImage, size: DrawingSize = .modelDefault, instruments: Instruments
  ) throws(VARLiteError) -> Reconstruction {
    try reconstruct(Picture(picture), size: size, instruments: instruments)
  }

  /// The same with measurements from inside.
  package func reconstruct(
    _ picture: Picture, size: DrawingSize = .modelDefault, instruments: Instruments,
    stop: StopSignal = StopSignal(), events: (Event) -> Void = { _ in }
  ) throws(VARLiteError) -> Reconstruction {
    try require(.vaeEncoder, .vaeDecoder, to: "reconstruct pictures")
    let target = size.target
    let outline = try picture.outline(target: target, limits: runtime.imageLimits)
    let extents = outline.extents
    let own = configuration.schedule.finalGrid
    let isOwnShape = extents.width * own.height == extents.height * own.width
    let schedule = try ScheduleSelection.schedule(
      configuration, size: size,
      aspect: isOwnShape
        ? .modelDefault : .ratio(width: Double(extents.width), height: Double(extents.height)))
    var shape = RequestShape()
    shape.decodedGrid = schedule.finalGrid
    shape.encodes = true
    let fitted = schedule.pixelExtents(configuration.vae.stride)
    shape.pictureByteCount = max(
      outline.decodingByteCount,
      min(outline.decodingByteCount, extents.width * extents.height * 3)
        + RGBImage.fittingByteCount(from: extents, to: fitted))
    return try runCodec(shape, instruments: instruments, stop, events) { conversation in
      // The picture as it was decoded is gone when the network starts.
      let fitted = try picture.decoded(target: target, byteCount: shape.pictureByteCount)
        .fitted(width: fitted.width, height: fitted.height)
      return try conversation.reconstruct(fitted, schedule)
    }
  }
}

extension DrawingSize {
  /// What a picture for the round trip is resized to.
  fileprivate var target: ImageTarget {
    if case .pixels(let side) = self { return .sides(side) }
    return .sides(PixelBudget.budget1M.squareSizePixels)
  }
}

extension ScaleSchedule {
  fileprivate func pixelExtents(_ stride: Int) -> ImageDecoder.Extents {
    ImageDecoder.Extents(width: finalGrid.width * stride, height: finalGrid.height * stride)
  }
}

extension Conversation {
  /// - Parameter fitted: the picture at the size of the round trip.
  fileprivate func reconstruct(
    _ fitted: RGBImage, _ schedule: ScaleSchedule
  ) throws -> Reconstruction {
    let grid = schedule.finalGrid
    let features = try encode(fitted, grid: grid)
    recorder?.recordMap("raw_features", features, grid)
    let quantizer = BinaryQuantizer(
      codebookDim: model.configuration.generator.codebookDim, schedule: schedule)
    let bits = quantizer.quantize(features)
    for (index, scale) in schedule.scales.enumerated() {
      recorder?.record(
        "s\(index).bits", shape: [1, scale.height, scale.width, quantizer.codebookDim],
        bytes: bits[index])
    }
    let codes = quantizer.sum(of: bits)
    recorder?.recordMap("quantized", codes, grid)
    let image = try decode(codes, grid: grid)
    return Reconstruction(picture: image, bits: bits, psnr: peakSignalToNoise(image, fitted))
  }

  private func encode(_ picture: RGBImage, grid: GridSize) throws -> [Float] {
    try begin(.encoding)
    let encoder = VAEEncoder(model.configuration.vae, weights: weights)
    var plan = MemoryPlan()
    let layout = encoder.reserve(
      &plan, grid: grid, threadCount: model.runtime.options.threadCount)
    guard let arena = Arena(plan) else { throw VARLiteError.noMemory(plan.byteCount) }
    let features = try encoder.encode(
      picture.signedFloats(), grid: grid, workspace: VAEWorkspace(layout, arena: arena), run)
    try features.withUnsafeBufferPointer { values throws(VARLiteError) in
      try FiniteNumbers.require(values, of: "picture encoder", modelPath: model.path)
    }
    return features
  }
}

extension TraceRecorder {
  fileprivate func recordMap(_ name: String, _ values: [Float], _ grid: GridSize) {
    record(
      name, height: grid.height, width: grid.width, channels: values.count / grid.tokenCount,
      map: values)
  }
}
