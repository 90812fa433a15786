import VARKernels
import VARModels
import VARSystem

/// Measures the picture tokenizer's decoder alone: codes to pixels.
package struct DecodeBenchmark {
  private let shape: ModelShape
  private let grid: GridSize
  private let size: Int

  /// - Parameter size: side of the picture in pixels, 16...4096, a multiple of 16.
  package init(_ shape: ModelShape, size: Int) throws(BenchmarkError) {
    guard shape.hasGenerator else {
      throw BenchmarkError(
        .invalidRequest, "the shape \(shape.rawValue) cannot decode; vargpt-v1.1 can")
    }
    guard (16...4096).contains(size), size % 16 == 0 else {
      throw BenchmarkError(.invalidRequest, "the size is a multiple of 16 from 16 to 4096 px")
    }
    self.shape = shape
    self.size = size
    grid = GridSize(height: size / 16, width: size / 16)
  }

  /// The weights that `records` needs, without those of the transformers.
  package func model(
    precision: String, conditions: RunConditions, temporaryFolder: String
  ) throws -> BenchmarkModel {
    try BenchmarkModel(
      shape, components: [.vaeDecoder], precision: precision, conditions: conditions,
      temporaryFolder: temporaryFolder)
  }

  /// `vae_seconds`, `vae_gflops` and `peak_rss`; one decode warms up and does not count.
  ///
  /// `vae_gflops` counts the operations of the plain convolutions, whatever way they are computed.
  package func records(_ model: BenchmarkModel) throws -> [BenchmarkRecord] {
    precondition(model.shape == shape, "the benchmark is of another shape")
    var random = RandomBytes(seed: 6)
    let codes = (0..<grid.tokenCount * model.configuration.vae.codebookDim).map { _ in
      random.signed()
    }
    let decode = try DecoderRun(model, grid: grid)
    let seconds = try Stopwatch.repeated(model.conditions.repeats) { try decode.decode(codes) }
    let operations = operationCount(model)
    let context = model.context + [("size", .integer(size))]
    return [
      BenchmarkRecord("vae_seconds", "s", seconds, context: context),
      BenchmarkRecord(
        "vae_gflops", "GFLOPS", seconds.map { operations / $0 * 1e-9 }, context: context),
      BenchmarkRecord(
        "peak_rss", "MiB", ProcessMemory.peakMebibytes,
        context: context + [
          ("weight_bytes", .integer(model.byteCount)),
          ("scratch_bytes", .integer(decode.scratchBytes)),
        ]),
    ]
  }

  /// Multiplications and additions of all convolutions.
  private func operationCount(_ model: BenchmarkModel) -> Double {
    let stride = model.configuration.vae.stride
    let products = model.tensors.reduce(0) { sum, tensor in
      guard tensor.specification.kind == .convolution else { return sum }
      // An up-sampling convolution works on the finer level's map.
      let level =
        model.configuration.vae.halvings(of: tensor.specification.group)
        - (tensor.specification.name.contains(".upsample.") ? 1 : 0)
      let pixels = grid.tokenCount * (stride >> level) * (stride >> level)
      return sum + pixels * tensor.description.elementCount
    }
    return 2 * Double(products)
  }
}

/// One decoder with its buffers.
struct DecoderRun {
  private let decoder: VAEDecoder
  private let workspace: VAEWorkspace
  private let arena: Arena
  private let grid: GridSize
  private let run: RunContext

  init(_ model: BenchmarkModel, grid: GridSize) throws(BenchmarkError) {
    var plan = MemoryPlan()
    decoder = VAEDecoder(model.configuration.vae, weights: model.weights)
    let layout = decoder.reserve(
      &plan, grid: grid, threadCount: model.conditions.threadCount)
    arena = try BenchmarkModel.arena(plan)
    workspace = VAEWorkspace(layout, arena: arena)
    self.grid = grid
    run = model.run
  }

  /// Bytes of the decoder's buffers.
  var scratchBytes: Int { arena.plan.byteCount }

  func decode(_ codes: [Float]) throws {
    try codes.withRows(columns: codes.count / grid.tokenCount) { codes in
      try decoder.decode(codes, workspace: workspace, run, pixels: { _, _ in })
    }
  }
}
