import VARCheckpoint
import VARJSON
import VARKernels
import VARModels
import VARQuantization
import VARSystem
import VQ4Format

/// Measures how far each tensor of a file is from the checkpoint it was made of.
///
/// Both sides are read chunk by chunk, and the page cache holds afterwards what it held before, but for small tensors
/// of the checkpoint. Results do not depend on the number of threads.
package struct ConversionCheck: Sendable {
  /// A tensor of the file, compared.
  package struct Row: Sendable {
    package let name: String
    package let precision: Precision
    package let comparison: WeightComparison
    package let size: Size
    /// The relative error that the file's own recipe accepts; 0 for norms, biases and constants.
    package let limit: Double

    package var error: WeightError { comparison.error }
    /// Whether the error is what the recipe accepts.
    package var isWithinLimit: Bool { error.relative <= limit }
    /// The error as a multiple of the limit; infinite where none is accepted.
    package var errorOverLimit: Double {
      if error.relative == 0 { return 0 }
      let multiple = error.relative / limit
      return multiple.isNaN ? .infinity : multiple
    }
  }

  /// What tensors take.
  package struct Size: Sendable, Equatable {
    /// Bytes of codes and scales, what the last tile of a matrix lacks included.
    package var byteCount = 0
    /// The same as the file stores them, compressed or not.
    package var storedByteCount = 0
  }

  private let mapping: SourceMapping
  private let file: VQ4File
  private let model: VQ4DirectFile
  private let shards: DirectShards
  private let limits: [String: Double]

  /// How many times their limit weights may be off that a calibration rounded: they make errors good by each other, not
  /// each its own. `varlite accuracy` measures what that is worth.
  private static let compensatedLimit = 2.0
  /// What is added to the limit of weights that make up for the drift of their inputs: they are not what they were.
  private static let correctedShare = 0.1

  /// Opens both sides and finds out what each tensor should be.
  ///
  /// Throws `differentModel` where the file's tensors or configuration are not the checkpoint's, and the errors of
  /// `Conversion.init` and of `VQ4File`.
  package init(of path: String, against checkpoint: Checkpoint) throws {
    file = try VQ4File(path: path)
    model = VQ4DirectFile(leavingCacheAlone: file)
    let checkpoint = try checkpoint.withOfficialNames()
    // Before the first tensor is read.
    shards = DirectShards(of: checkpoint.tensors)
    let configuration = try SourceDocuments.configuration(
      checkpoint, ConfigurationDialect(checkpoint.configuration()))
    guard try VARGPTConfiguration(config: file.jsonAttachment("configuration")) == configuration
    else {
      throw ConversionError(
        .differentModel, path, "its configuration is not that of \(checkpoint.directory)")
    }
    mapping = try SourceMapping(checkpoint: checkpoint, configuration: configuration)
    let recipe = try Recipe(parsing: file.jsonAttachment("recipe").text, source: "of \(path)")
    limits = try Self.limits(mapping, file, recipe)
  }

  private static func limits(
    _ mapping: SourceMapping, _ file: VQ4File, _ recipe: Recipe
  ) throws -> [String: Double] {
    let weights = mapping.entries.map(\.specification).filter { $0.kind != .vector }
    let decisions = try recipe.decisions(for: weights.map(Recipe.Subject.init))
    let provenance = try file.jsonAttachment("provenance")
    let isCalibrated = provenance["calibration"] != nil
    let isCorrected = provenance["calibrated_for"] != nil
    var limits: [String: Double] = [:]
    for (weight, decision) in zip(weights, decisions) {
      guard let index = file.tensorIndex(named: weight.name) else { continue }
      let precision = Precision(file.tensors[index].description.elementType)
      let limit = recipe.limit(rule: decision.rule, precision: precision)
      limits[weight.name] = limit
      let corrected = isCorrected && GeneratorRounding.drifts(weight)
      guard isCalibrated, precision.isInteger || corrected, weight.kind == .matrix,
        decision.rounding == .compensated
      else { continue }
      limits[weight.name] = limit * compensatedLimit + (corrected ? correctedShare : 0)
      // It has taken what was wrong on average.
      limits[String(weight.name.dropLast(".weight".count)) + ".bias"] = .infinity
    }
    return limits
  }

  /// Streams every tensor of both sides; a row for each, in the order of execution.
  package func run(
    threadCount: Int = ThreadPool.defaultThreadCount,
    progress: (ConversionProgress) -> Void = { _ in }, isCancelled: () -> Bool = { false }
  ) throws -> [Row] {
    guard let pool = ThreadPool(threadCount: threadCount) else {
      throw ConversionError(
        .notEnoughMemory, "\(threadCount) threads",
        "the system refuses them", remedy: .fewerThreads)
    }
    let total = mapping.entries.reduce(0) { $0 + $1.specification.shape.reduce(1, *) }
    var state = ConversionProgress(subject: "", doneCount: 0, totalCount: total)
    return try mapping.entries.map { entry in
      let name = entry.specification.name
      if isCancelled() { throw ConversionError(.interrupted, name, "stopped") }
      state.subject = name
      progress(state)
      guard let index = file.tensorIndex(named: name),
        file.tensors[index].description.shape == entry.specification.shape
      else {
        throw ConversionError(
          .differentModel, file.path, "lacks tensor \(name) of shape \(entry.specification.shape)")
      }
      let comparison = try compare(index, entry, pool)
      state.doneCount += entry.specification.shape.reduce(1, *)
      return Row(
        name: name, precision: Precision(file.tensors[index].description.elementType),
        comparison: comparison, size: size(of: index), limit: limits[name] ?? 0)
    }
  }

  private func size(of index: Int) -> Size {
    Size(
      byteCount: file.tensors[index].description.byteCount,
      storedByteCount: VQ4StreamRole.allCases.reduce(0) { $0 + file.storedByteCount(index, $1) })
  }

  private func compare(
    _ index: Int, _ entry: SourceMapping.Entry, _ pool: ThreadPool
  ) throws -> WeightComparison {
    switch entry.source {
    case .values(let values): return try compareVector(index, try values())
    case .rows(let tensor, let order):
      let weight = try StoredWeight(model, index)
      return try RowComparison(weight: weight, tensor: tensor, order: order, shards: shards)
        .run(pool)
    }
  }

  private func compareVector(_ index: Int, _ original: [Float]) throws -> WeightComparison {
    let description = file.tensors[index].description
    guard description.elementType == .f32, description.layout == .vector else {
      throw ConversionError(
        .differentModel, file.path, "tensor \(description.name) is no f32 vector")
    }
    var comparison = WeightComparison()
    try StreamReader(model).bytes(.codes, of: index).withUnsafeBytes { stored in
      original.withUnsafeBufferPointer { comparison.add($0, stored.bindMemory(to: Float.self)) }
    }
    return comparison
  }
}

extension WeightFormat {
  /// How a matrix or table of a file is stored.
  package init(_ description: VQ4TensorDescription) {
    self = WeightFormat(
      precision: Precision(description.elementType),
      layout: description.layout == .tiles ? .tiles : .table, rows: description.rows,
      cols: description.cols, groupSize: description.groupSize
    ).with(codebook: description.codebook)
  }
}

extension Precision {
  /// The precision of a tensor in a file.
  package init(_ type: VQ4ElementType) {
    switch type {
    case .int4: self = .int4
    case .int8: self = .int8
    case .f16: self = .f16
    case .bf16: self = .bf16
    case .f32: self = .f32
    }
  }
}
