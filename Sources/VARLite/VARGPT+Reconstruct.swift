import VARKernels
import VARModels
import VARVision

/// A picture after a round trip through the picture tokenizer.
public struct Reconstruction: Sendable {
  /// The picture at the size of the round trip.
  public let image: RGBImage
  /// Bits of each scale, coarse to fine: `[tokens, codebookDim]`.
  public let bits: [[UInt8]]
  /// Peak signal-to-noise ratio in dB against the picture at the size of the round trip.
  public let psnr: Double
}

extension VARGPT {
  /// Turns a picture into bits per scale and back (MODEL 11).
  ///
  /// The picture is cropped to the shape of the nearest template and resized.
  public func reconstruct(
    _ picture: RGBImage, size: ImageSize = .modelDefault, recorder: TraceRecorder? = nil,
    isCancelled: @escaping () -> Bool = { false }, events: (GenerationEvent) -> Void = { _ in }
  ) throws -> Reconstruction {
    let conversation = try Conversation(
      self, options: Conversation.Options(), recorder: recorder, isCancelled: isCancelled)
    defer { conversation.endReading() }
    try require(.vaeEncoder, .vaeDecoder, to: "reconstruct pictures")
    let isOwnShape =
      picture.width * configuration.schedule.finalGrid.height
      == picture.height * configuration.schedule.finalGrid.width
    let schedule = try ScheduleSelection.schedule(
      configuration, size: size,
      aspect: isOwnShape
        ? .modelDefault : .ratio(width: Double(picture.width), height: Double(picture.height)))
    let grid = schedule.finalGrid
    let stride = configuration.vae.stride
    try conversation.adoptRoundTrip(grid: grid, events: events)
    let fitted = picture.fitted(width: grid.width * stride, height: grid.height * stride)
    let features = try conversation.encode(fitted, grid: grid, events)
    recorder?.recordMap("raw_features", features, grid)
    let quantizer = BinaryQuantizer(
      codebookDim: configuration.generator.codebookDim, schedule: schedule)
    let bits = quantizer.quantize(features)
    for (index, scale) in schedule.scales.enumerated() {
      recorder?.record(
        "s\(index).bits", shape: [1, scale.height, scale.width, quantizer.codebookDim],
        bytes: bits[index])
    }
    let codes = quantizer.sum(of: bits)
    recorder?.recordMap("quantized", codes, grid)
    let image = try conversation.decode(codes, grid: grid, events: events)
    return Reconstruction(
      image: image, bits: bits, psnr: peakSignalToNoise(image, fitted))
  }
}

extension Conversation {
  fileprivate func encode(
    _ picture: RGBImage, grid: GridSize, _ events: (GenerationEvent) -> Void
  ) throws -> [Float] {
    try begin(.encoding, events: events)
    let encoder = VAEEncoder(model.configuration.vae, weights: weights)
    var plan = MemoryPlan()
    let layout = encoder.reserve(&plan, grid: grid, threadCount: model.options.threadCount)
    guard let arena = Arena(plan) else { throw GenerationError.noMemory(plan.byteCount) }
    let features = try encoder.encode(
      picture.signedFloats(), grid: grid, workspace: VAEWorkspace(layout, arena: arena), run)
    try features.withUnsafeBufferPointer { values throws(GenerationError) in
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
