import VARKernels
import VARModels
import VARQuantization
import VARSystem

/// Fits the preview map of a model: synthetic pictures go through its own picture encoder and decoder, and the map says
/// which colour the decoder makes of a token's codes on average.
///
/// Some of the pictures lack fine scales, as previews do.
struct PreviewFitting {
  private let configuration: BSQVAEConfiguration
  private let encoder, decoder: TokenizerWeights
  /// Scales of the synthetic pictures.
  private let schedule: ScaleSchedule

  /// Tokens of a synthetic picture at most.
  private static let mostTokens = 64
  /// Sides of the scales where the model's own are all larger.
  private static let sides = [1, 2, 4, 6, 8]

  private var grid: GridSize { schedule.finalGrid }
  /// Weights of the map for one colour.
  private var weights: Int { 9 * configuration.codebookDim + 1 }
  private var pictureCount: Int {
    SyntheticPictures.count(weights: weights, tokensPerPicture: grid.tokenCount)
  }

  init(_ mapping: SourceMapping, _ configuration: VARGPTConfiguration) {
    self.configuration = configuration.vae
    // Those that all pictures of the model begin with.
    let own = configuration.schedule.scales.prefix { $0.tokenCount <= Self.mostTokens }
    let squares = Self.sides.map { GridSize(height: $0, width: $0) }
    let scales = own.isEmpty ? squares : Array(own)
    schedule = ScaleSchedule(scales: scales, ropeReference: scales[scales.count - 1])
    encoder = TokenizerWeights(.vaeEncoder, of: mapping)
    decoder = TokenizerWeights(.vaeDecoder, of: mapping)
  }

  /// Memory that the fit takes.
  func byteCount(threadCount: Int) throws -> Int {
    var (encoding, decoding) = (MemoryPlan(), MemoryPlan())
    _ = try encoder(encoder).reserve(&encoding, grid: grid, threadCount: threadCount)
    _ = try decoder(decoder).reserve(&decoding, grid: grid, threadCount: threadCount)
    let pixels = grid.tokenCount * configuration.stride * configuration.stride
    let codes = pictureCount * grid.tokenCount * configuration.codebookDim
    return max(encoder.byteCount + encoding.byteCount, decoder.byteCount + decoding.byteCount)
      + (2 * pixels * 3 + 2 * codes) * MemoryLayout<Float>.size
      + 2 * weights * weights * MemoryLayout<Double>.size
  }

  private func encoder(_ weights: TokenizerWeights) throws -> VAEEncoder {
    VAEEncoder(
      configuration,
      weights: try ModelWeights(source: weights, tensors: weights.specifications))
  }

  private func decoder(_ weights: TokenizerWeights) throws -> VAEDecoder {
    VAEDecoder(
      configuration,
      weights: try ModelWeights(source: weights, tensors: weights.specifications))
  }

  /// The map's attachment; nil where weights, codes or colours are no numbers, or too large, so that there is none.
  ///
  /// - Throws: `ConversionError` with `interrupted` or `notEnoughMemory`, and the errors of reading the checkpoint.
  func attachment(
    _ pool: ThreadPool, _ instructionSet: InstructionSet, isCancelled: @escaping () -> Bool
  ) throws -> [UInt8]? {
    do {
      var plan = MemoryPlan()
      let scratch = Compute.reserve(&plan, maximumColumns: 16)
      let arena = try Self.arena(plan)
      defer { withExtendedLifetime(arena) {} }
      let compute = Compute(
        instructionSet: instructionSet, pool: pool, arena: arena, scratch: scratch)
      let run = RunContext(compute: compute, isCancelled: isCancelled)
      let codes = try encoded(run)
      guard codes.allSatisfy({ $0.allSatisfy(\.isFinite) }) else { return nil }
      return try fitted(to: codes, run)?.bytes
    } catch let error as ModelError where error == .cancelled {
      throw ConversionError(.interrupted, PreviewMap.attachmentName, "stopped")
    } catch is QuantizationError {
      // Weights that f16 cannot hold.
      return nil
    }
  }

  private static func arena(_ plan: MemoryPlan) throws -> Arena {
    guard let arena = Arena(plan) else { throw ConversionError.noMemory(plan.byteCount) }
    return arena
  }

  /// Codes of each synthetic picture on the final grid: of all scales, or of some.
  private func encoded(_ run: RunContext) throws -> [[Float]] {
    // Weights are held for as long as they are needed.
    let weights = encoder.copy()
    try weights.read(isCancelled: run.isCancelled)
    var plan = MemoryPlan()
    let network = try encoder(weights)
    let layout = network.reserve(&plan, grid: grid, threadCount: run.compute.pool.threadCount)
    let arena = try Self.arena(plan)
    defer { withExtendedLifetime(arena) {} }
    let workspace = VAEWorkspace(layout, arena: arena)
    let quantizer = BinaryQuantizer(codebookDim: configuration.codebookDim, schedule: schedule)
    var pictures = SyntheticPictures(
      width: grid.width * configuration.stride, height: grid.height * configuration.stride)
    return try (0..<pictureCount).map { index in
      let features = try network.encode(
        pictures.next(index), grid: grid, workspace: workspace, run)
      guard features.allSatisfy(\.isFinite) else { return features }
      let bits = quantizer.quantize(features)
      let count = index % 4 == 0 ? 1 + index / 4 % bits.count : bits.count
      return quantizer.sum(of: Array(bits.prefix(count)))
    }
  }

  private func fitted(to codes: [[Float]], _ run: RunContext) throws -> PreviewMap? {
    let weights = decoder.copy()
    try weights.read(isCancelled: run.isCancelled)
    var plan = MemoryPlan()
    let network = try decoder(weights)
    let layout = network.reserve(&plan, grid: grid, threadCount: run.compute.pool.threadCount)
    let arena = try Self.arena(plan)
    defer { withExtendedLifetime(arena) {} }
    let workspace = VAEWorkspace(layout, arena: arena)
    var fit = PreviewFit(codebookDim: configuration.codebookDim)
    for codes in codes {
      var colours = TokenColours(grid: grid, stride: configuration.stride)
      try codes.withRows(columns: configuration.codebookDim) { rows in
        try network.decode(rows, workspace: workspace, run) { colours.add($0, $1) }
        fit.add(codes: rows, grid: grid, colours: colours.means)
      }
    }
    return fit.map()
  }
}
