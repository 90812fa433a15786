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
    let format = storage.format(of: original)
    let moments = storage.rounding == .compensated ? input.moments(hasBias: bias != nil) : nil
    let compensation = try moments.map {
      try Compensation(
        $0, isForIntegers: storage.precision.isInteger, parted: { pool.parallel($0, $1) },
        beforeBlock: { if isCancelled() { throw ModelError.cancelled } })
    }
    let rounded = try Self.replacement(
      VQ4TensorDescription(
        name: matrix.name, elementType: storage.precision.elementType, layout: .tiles,
        shape: matrix.shape, groupSize: storage.groupSize
      ).with(codebook: format.codebook))
    let error = try encode(original, format, compensation, into: rounded)
    weights.replace(index, by: rounded)
    if let bias, !error.outputShifts.isEmpty { try shift(bias, by: error.outputShifts) }
  }

  private static func replacement(
    _ description: VQ4TensorDescription
  ) throws(VARLiteError) -> ReplacedWeights.Replacement {
    do {
      return try ReplacedWeights.Replacement(description)
    } catch {
      throw ForcedRun.noMemory(
        VQ4StreamRole.allCases.reduce(0) { $0 + description.byteCount(of: $1) })
    }
  }

  private func encode(
    _ original: OriginalMatrix, _ format: WeightFormat, _ compensation: Compensation?,
    into rounded: ReplacedWeights.Replacement
  ) throws -> WeightError {
    let streams = [VQ4StreamRole.codes, .scales, .superscales].map { rounded.bytes($0) }
    let unitRows = WeightFormat.unitRowCount
    let unitCount = (format.rows + unitRows - 1) / unitRows
    let name = rounded.description.name
    var outcomes = [Result<WeightError, QuantizationError>](
      repeating: .success(WeightError()), count: unitCount)
    outcomes.withUnsafeMutableBufferPointer { outcomes in
      let slots = outcomes.baseAddress!
      pool.parallel(unitCount) { units in
        let encoder = WeightEncoder(format: format, compensation: compensation)
        var reader = original.reader()
        for unit in units {
          let start = format.byteCounts(rowCount: unit * unitRows)
          let output = WeightEncoder.Output(
            codes: streams[0].baseAddress! + start.codes,
            scales: streams[1].baseAddress! + start.scales,
            superscales: streams[2].baseAddress! + start.superscales)
          slots[unit] = Result { () throws(QuantizationError) in
            try reader.with(unit: unit) { x, rowCount throws(QuantizationError) in
              try encoder.encode(
                x, rowCount: rowCount, into: output, name: name, firstRow: unit * unitRows)
            }
          }
        }
      }
    }
    return try outcomes.reduce(into: WeightError()) { $0 += try $1.get() }
  }

  /// Adds to a bias what the outputs of its weight lack on average.
  private func shift(_ bias: Int, by shifts: [Float]) throws {
    let replacement = try Self.replacement(weights.description(ofTensor: bias))
    let values = weights.base.stream(bias, .codes).assumingMemoryBound(to: Float.self)
    let shifted = replacement.bytes(.codes).bindMemory(to: Float.self)
    for (index, shift) in shifts.enumerated() { shifted[index] = values[index] + shift }
    weights.replace(bias, by: replacement)
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

extension GeneratorRounding.Matrix {
  /// How a matrix is stored, with the codebook that its rows ask for.
  fileprivate func format(of original: OriginalMatrix) -> WeightFormat {
    let (rows, cols) = (original.format.rows, original.format.cols)
    let format = WeightFormat(
      precision: precision, layout: .tiles, rows: rows, cols: cols, groupSize: groupSize)
    guard precision == .int4 else { return format }
    var reader = original.reader()
    let sample = CodebookSample.rows(of: rows, cols: cols).flatMap { reader.row($0) }
    return format.with(
      codebook: CodebookSample.codebook(
        of: sample, cols: cols, groupSize: groupSize, range: codebookRange))
  }
}
