import VARConversion
import VARForcedRun
import VARKernels
import VARLite
import VARModels
import VARQuantization
import VARSystem
import VQ4Format

/// Rounds layers of the generator while a calibration runs, as a conversion by its file will: with the same codebooks,
/// moments and corrections, from the weights of the model that runs. These must be the checkpoint's: of other weights
/// others would be rounded, and what makes up for their errors would be wrong.
final class LayerRounder {
  /// The model's weights with those of the block that was rounded last.
  let weights: ReplacedWeights
  private let rounding: GeneratorRounding
  private let pool: ThreadPool
  private let isCancelled: () -> Bool
  /// Matrices of blocks, by the name of their input.
  private let matrices: [String: TensorSpecification]

  /// - Parameter options: those of the run.
  init(_ model: Model, _ rounding: GeneratorRounding, _ options: ForcedRun.Options) throws {
    weights = ReplacedWeights(model.sources.source(options.residency))
    isCancelled = options.isCancelled
    self.rounding = rounding
    pool = try model.runtime.threads()
    let blocks = model.tensors.filter(Self.isOfBlock)
    matrices = Dictionary(
      blocks.map { ($0.input, $0) }, uniquingKeysWith: { first, _ in first })
  }

  /// What a recipe makes of a model's generator.
  ///
  /// - Throws: `VARLiteError` where there is no generator, or it may have other weights than the checkpoint.
  static func rounding(_ recipe: Recipe, of model: Model) throws -> GeneratorRounding {
    let tensors = model.tensors.filter { model.file.tensorIndex(named: $0.name) != nil }
    let rounded = tensors.filter(GeneratorRounding.isRounded)
    guard !rounded.isEmpty else {
      throw VARLiteError(
        .request,
        "\(model.path): has no picture generator to round by recipe \(recipe.name); calibrate for "
          + "every recipe")
    }
    for tensor in rounded {
      guard let index = model.file.tensorIndex(named: tensor.name) else { continue }
      try CheckpointWeights.require(index, of: model)
    }
    return try GeneratorRounding(recipe, tensors)
  }

  /// Whether a matrix is rounded for what follows it: one of a block, since nothing follows the head.
  private static func isOfBlock(_ tensor: TensorSpecification) -> Bool {
    GeneratorRounding.isRounded(tensor) && tensor.group != .generatorHead
  }

  /// Puts the rounded matrix of an input, and what its bias becomes, into the place of the original; does nothing for
  /// inputs of other layers. The matrix can be read meanwhile.
  func round(_ name: String, _ input: CalibratedInput) throws {
    guard let matrix = matrices[name], let storage = rounding.matrices[matrix.name],
      let index = weights.tensorIndex(named: matrix.name)
    else { return }
    let bias = weights.tensorIndex(named: matrix.name.dropLast("weight".count) + "bias")
    let original = OriginalMatrix(weights.base, index)
    let format = WeightRounder.format(
      of: original, storage.precision, groupSize: storage.groupSize,
      codebookRange: storage.codebookRange)
    let moments = storage.rounding == .compensated ? input.moments(hasBias: bias != nil) : nil
    let compensation = try moments.map {
      try Compensation(
        $0, isForIntegers: storage.precision.isInteger, parted: { pool.parallel($0, $1) },
        beforeBlock: { if isCancelled() { throw ModelError.cancelled } })
    }
    let (rounded, error) = try WeightRounder(pool).round(
      matrix.name, original, to: format, compensation)
    weights.replace(index, by: rounded)
    if let bias, !error.outputShifts.isEmpty {
      weights.replace(
        bias, by: try WeightRounder.shifted(bias, of: weights.base, by: error.outputShifts))
    }
  }
}

extension LayerRounder {
  /// Bytes of memory that rounding takes besides the run: sums of both paths, rows that wait, the rounded block, and
  /// what it is rounded with.
  static func byteCount(
    _ model: Model, _ rounding: GeneratorRounding, _ layout: CalibrationLayout
  ) -> Int {
    let tensors = model.tensors.filter { $0.layer == 0 && isOfBlock($0) }
    let inputs = layout.inputs.filter { input in tensors.contains { $0.name == input.name } }
    let rows = ForcedRun.rowsPerDrawing(model.configuration)
    // One input after the other.
    var values = 0
    var rounded = 0
    var compensation = 0
    for input in inputs {
      values = max(values, 2 * (input.triangleCount + input.driftCount) + rows * input.cols)
      compensation = max(
        compensation,
        Compensation.byteCount(cols: input.cols, blockCols: input.blockCols, hasDrift: true)
          + model.runtime.options.threadCount
          * (Compensation.workerByteCount(blockCols: input.blockCols, groupSize: 16)
            + Compensation.correctorByteCount(cols: input.cols, blockCols: input.blockCols)
            + Compensation.solverByteCount(blockCols: input.blockCols)
            + OriginalMatrix.readerByteCount(cols: input.cols)))
    }
    for tensor in tensors {
      guard let storage = rounding.matrices[tensor.name] else { continue }
      let counts = WeightFormat(
        precision: storage.precision, layout: .tiles, rows: tensor.shape[0],
        cols: tensor.shape[1], groupSize: storage.groupSize
      ).byteCounts
      rounded += counts.codes + counts.scales + counts.superscales
    }
    return values * MemoryLayout<Float>.stride + rounded + compensation
  }
}
