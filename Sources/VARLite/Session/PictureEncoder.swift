import VARKernels
import VARModels
import VARVision

/// Runs pictures through the vision tower in a memory of its own, which is given back before the language model starts.
struct PictureEncoder {
  let model: VARGPT
  let weights: ModelWeights
  let preprocessing: ImagePreprocessing

  /// The pictures as the vision tower takes them.
  func patches(_ images: [RGBImage]) throws -> [ImagePatches] {
    if !images.isEmpty { try model.require(.vision, to: "look at pictures") }
    return try images.map { try preprocessing.patches(of: $0) }
  }

  /// - Parameter begin: called with the phase before weights are read.
  /// - Returns: merged grid and embeddings of each picture.
  func encode(
    _ pictures: [ImagePatches], _ run: RunContext, events: (GenerationEvent) -> Void,
    begin: (WeightPhase) throws -> Void
  ) throws -> [EncodedPicture] {
    guard !pictures.isEmpty else { return [] }
    try begin(.vision(pictureCount: pictures.count))
    let configuration = model.configuration
    let patchCapacity = pictures.map(\.patchCount).max() ?? 0
    var plan = MemoryPlan()
    let layout = VisionState.reserve(
      &plan, configuration.vision, patchCapacity: patchCapacity)
    guard let arena = Arena(plan) else { throw GenerationError.noMemory(plan.byteCount) }
    let state = VisionState(layout, arena: arena)
    let hiddenSize = configuration.languageModel.hiddenSize
    let tower = VisionTower(configuration.vision, hiddenSize: hiddenSize, weights: weights)
    var encoded: [EncodedPicture] = []
    for (index, picture) in pictures.enumerated() {
      let grid = GridSize(height: picture.gridHeight, width: picture.gridWidth)
      let merged = GridSize(height: grid.height / 2, width: grid.width / 2)
      let (from, to) = (
        (picture.sourceWidth, picture.sourceHeight), (picture.resizedWidth, picture.resizedHeight)
      )
      if picture.isShrunk {
        events(.shrunk(picture: index, from: from, to: to, tokenCount: picture.tokenCount))
      } else if picture.isEnlarged {
        events(.enlarged(picture: index, from: from, to: to, tokenCount: picture.tokenCount))
      }
      let size = PixelSize(height: picture.resizedHeight, width: picture.resizedWidth)
      if let known = model.knownPictureSizes(), !known.contains(size) {
        events(.unknownPictureSize(picture: index, size: size, known: known))
      }
      var embeddings = [Float](repeating: 0, count: merged.tokenCount * hiddenSize)
      try picture.values.withRows(columns: configuration.vision.patchValues) { patches in
        try embeddings.withMutableRows(columns: hiddenSize) { output in
          try tower.encode(patches: patches, grid: grid, into: output, state: state, run) {
            done, count in
            events(.encoding(picture: index, block: done, blockCount: count))
          }
        }
      }
      encoded.append(EncodedPicture(grid: merged, embeddings: embeddings))
    }
    trace(pictures, run)
    return encoded
  }

  private func trace(_ pictures: [ImagePatches], _ run: RunContext) {
    guard let recorder = run.trace as? TraceRecorder else { return }
    let values = pictures.flatMap { $0.expanded() }
    let rows = pictures.reduce(0) { $0 + $1.patchCount }
    values.withUnsafeBufferPointer {
      recorder.record("pixel_values", shape: [rows, values.count / rows], floats: $0.baseAddress!)
    }
    recorder.record(
      "image_grid_thw", shape: [pictures.count, 3],
      integers: pictures.flatMap { [1, $0.gridHeight, $0.gridWidth] })
  }
}
