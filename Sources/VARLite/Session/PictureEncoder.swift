import VARKernels
import VARModels
import VARSystem
import VARVision

/// Runs pictures through the vision tower in a memory of its own, which is given back before the language model starts.
struct PictureEncoder {
  let model: Model
  let weights: ModelWeights
  let reporter: RequestReporter

  /// - Parameter skipped: pictures from the first on whose embeddings nobody needs.
  /// - Returns: merged grid and embeddings of each picture; of those that are skipped no embeddings.
  func encode(
    _ pictures: [ImagePatches], skipping skipped: Int = 0, _ run: RunContext
  ) throws -> [EncodedPicture] {
    let configuration = model.configuration
    let patchCapacity = pictures.dropFirst(skipped).map(\.patchCount).max() ?? 0
    var plan = MemoryPlan()
    let layout = VisionState.reserve(
      &plan, configuration.vision, patchCapacity: patchCapacity)
    guard let arena = Arena(plan) else { throw VARLiteError.noMemory(plan.byteCount) }
    let state = VisionState(layout, arena: arena)
    let hiddenSize = configuration.languageModel.hiddenSize
    let tower = VisionTower(configuration.vision, hiddenSize: hiddenSize, weights: weights)
    var encoded: [EncodedPicture] = []
    for (index, picture) in pictures.enumerated() {
      let grid = GridSize(height: picture.gridHeight, width: picture.gridWidth)
      let merged = GridSize(height: grid.height / 2, width: grid.width / 2)
      report(picture, index)
      guard index >= skipped else {
        encoded.append(EncodedPicture(grid: merged, embeddings: []))
        continue
      }
      let byteCount = merged.tokenCount * hiddenSize * MemoryLayout<Float>.stride
      do throws(SystemError) { try HeapMemory.require(byteCount) } catch {
        throw VARLiteError.noMemory(byteCount)
      }
      var embeddings = [Float](repeating: 0, count: merged.tokenCount * hiddenSize)
      try picture.values.withRows(columns: configuration.vision.patchValues) { patches in
        try embeddings.withMutableRows(columns: hiddenSize) { output in
          let patches = VisionPatches(patches, grid: grid)
          try tower.encode(patches, into: output, state: state, run) { done, count in
            let share = Double(done) / Double(count)
            var unit = RequestReporter.Unit(
              Progress(.looking, index: index, done: done, total: count),
              done: (Double(index) + share) / Double(pictures.count), share: 0)
            unit.partDone = share
            reporter.begin(unit)
          }
        }
      }
      encoded.append(EncodedPicture(grid: merged, embeddings: embeddings))
    }
    trace(pictures, run)
    return encoded
  }

  /// Says what a person may want to know of a picture's size.
  private func report(_ picture: ImagePatches, _ index: Int) {
    let size = PixelSize(height: picture.resizedHeight, width: picture.resizedWidth)
    func say(_ kind: Note.Kind, _ known: [PixelSize] = []) {
      var note = Note(kind, tokenCount: picture.tokenCount)
      note.picture = index
      note.givenSize = PixelSize(height: picture.sourceHeight, width: picture.sourceWidth)
      note.size = size
      note.knownSizes = known
      reporter.report(.note(note))
    }
    if picture.isShrunk {
      say(.shrunkPicture)
    } else if picture.isEnlarged {
      say(.enlargedPicture)
    }
    if let known = model.knownPictureSizes(), !known.contains(size) {
      say(.unknownPictureSize, known)
    }
  }

  private func trace(_ pictures: [ImagePatches], _ run: RunContext) {
    guard let recorder = run.trace as? TraceRecorder else { return }
    let columns = pictures.first.map { $0.expanded(0..<1).count } ?? 0
    let rows = pictures.reduce(0) { $0 + $1.patchCount }
    recorder.begin("pixel_values", shape: [rows, columns])
    var done = 0
    for picture in pictures {
      for first in stride(from: 0, to: picture.patchCount, by: 64) {
        let part = picture.expanded(first..<min(first + 64, picture.patchCount))
        part.withUnsafeBufferPointer { recorder.put("pixel_values", at: done, $0) }
        done += part.count
      }
    }
    recorder.record(
      "image_grid_thw", shape: [pictures.count, 3],
      integers: pictures.flatMap { [1, $0.gridHeight, $0.gridWidth] })
  }
}

extension Model {
  /// Sizes that the pictures of the training have when the vision tower looks at them; nil where the file names none.
  fileprivate func knownPictureSizes() -> [PixelSize]? {
    let sizes = configuration.training.sizes.compactMap { size -> PixelSize? in
      let resized = try? imagePreprocessing.smartResize(height: size.height, width: size.width)
      return resized.map { PixelSize(height: $0.height, width: $0.width) }
    }
    return sizes.isEmpty ? nil : sizes
  }
}
