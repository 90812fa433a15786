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
      picture, size: size, instruments: Instruments(), stop: stop, events: events)
  }

  /// The same with measurements from inside.
  package func reconstruct(
    _ picture: RGBImage, size: DrawingSize = .modelDefault, instruments: Instruments,
    stop: StopSignal = StopSignal(), events: (Event) -> Void = { _ in }
  ) throws(VARLiteError) -> Reconstruction {
    try require(.vaeEncoder, .vaeDecoder, to: "reconstruct pictures")
    let own = configuration.schedule.finalGrid
    let isOwnShape = picture.width * own.height == picture.height * own.width
    let schedule = try ScheduleSelection.schedule(
      configuration, size: size,
      aspect: isOwnShape
        ? .modelDefault : .ratio(width: Double(picture.width), height: Double(picture.height)))
    var shape = RequestShape()
    shape.decodedGrid = schedule.finalGrid
    shape.encodes = true
    return try runCodec(shape, instruments: instruments, stop, events) { conversation in
      try conversation.reconstruct(picture, schedule)
    }
  }
}

extension Conversation {
  fileprivate func reconstruct(
    _ picture: RGBImage, _ schedule: ScaleSchedule
  ) throws -> Reconstruction {
    let grid = schedule.finalGrid
    let stride = model.configuration.vae.stride
    let fitted = picture.fitted(width: grid.width * stride, height: grid.height * stride)
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
