import VARCheckpoint
import VARJSON
import VARKernels
import VARModels
import VARQuantization
import VARSystem
import VQ4Format

/// Measures how far each tensor of a file is from the checkpoint it was made of.
package struct ConversionCheck: Sendable {
  /// A tensor of the file, compared.
  package struct Row: Sendable {
    package let name: String
    package let precision: Precision
    package let error: WeightError
    /// The relative error that the file's own recipe accepts; 0 for norms, biases and constants.
    package let limit: Double

    /// Whether the error is what the recipe accepts.
    package var isWithinLimit: Bool { error.relative <= limit }
  }

  private let mapping: SourceMapping
  private let file: VQ4File
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
    let checkpoint = try checkpoint.withOfficialNames()
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
      let error = try self.error(of: index, entry, pool)
      state.doneCount += entry.specification.shape.reduce(1, *)
      return Row(
        name: name, precision: Precision(file.tensors[index].description.elementType),
        error: error, limit: limits[name] ?? 0)
    }
  }

  private func error(
    of index: Int, _ entry: SourceMapping.Entry, _ pool: ThreadPool
  ) throws -> WeightError {
    switch entry.source {
    case .values(let values): return try vectorError(index, try values())
    case .rows(let tensor, let order):
      let comparison = try RowComparison(file: file, index: index, tensor: tensor, order: order)
      return try comparison.run(pool)
    }
  }

  private func vectorError(_ index: Int, _ original: [Float]) throws -> WeightError {
    var stored = [Float](repeating: 0, count: original.count)
    let description = file.tensors[index].description
    guard description.elementType == .f32, description.layout == .vector else {
      throw ConversionError(
        .differentModel, file.path, "tensor \(description.name) is no f32 vector")
    }
    try stored.withUnsafeMutableBytes { try file.decodeStream(index, .codes, into: $0) }
    var error = WeightError()
    for (original, stored) in zip(original, stored) { error.add(original, stored) }
    return error
  }
}

/// Compares a stored weight with its rows in the checkpoint, chunk by chunk on all threads.
private struct RowComparison {
  private let file: VQ4File
  private let index: Int
  private let tensor: CheckpointTensor
  private let order: TensorSource.RowOrder
  private let format: WeightFormat
  private let scales: [UInt8]
  private let superscales: [UInt8]

  init(
    file: VQ4File, index: Int, tensor: CheckpointTensor, order: TensorSource.RowOrder
  ) throws {
    self.file = file
    self.index = index
    self.tensor = tensor
    self.order = order
    let description = file.tensors[index].description
    format = WeightFormat(description)
    func stream(_ role: VQ4StreamRole) throws -> [UInt8] {
      try HeapMemory.requireForConversion(description.byteCount(of: role))
      var bytes = [UInt8](repeating: 0, count: description.byteCount(of: role))
      if !bytes.isEmpty {
        try bytes.withUnsafeMutableBytes { try file.decodeStream(index, role, into: $0) }
      }
      return bytes
    }
    scales = try stream(.scales)
    superscales = try stream(.superscales)
  }

  func run(_ pool: ThreadPool) throws -> WeightError {
    let chunkCount = file.chunkCount(index, .codes)
    var outcomes = [Result<WeightError, any Error>](
      repeating: .success(WeightError()), count: chunkCount)
    outcomes.withUnsafeMutableBufferPointer { outcomes in
      let slots = outcomes.baseAddress!
      pool.parallel(chunkCount) { chunks in
        for chunk in chunks {
          slots[chunk] = Result { try error(ofChunk: chunk) }
        }
      }
    }
    var total = WeightError()
    for outcome in outcomes { total += try outcome.get() }
    return total
  }

  private func error(ofChunk chunk: Int) throws -> WeightError {
    let range = file.chunkRange(index, .codes, chunk)
    let memory = try HeapMemory.forConversion(range.count)
    defer { withExtendedLifetime(memory) {} }
    let codes = memory.bytes
    try file.decodeChunk(index, .codes, chunk, into: codes)
    let step = WeightFormat.unitRowCount
    let rowByteCount = format.byteCounts(rowCount: step).codes / step
    let firstRow = range.lowerBound / rowByteCount
    let endRow = min(format.rows, range.upperBound / rowByteCount)
    let decoder = WeightDecoder(format: format)
    var stored = [Float](repeating: 0, count: step * format.cols)
    var original = stored
    var scratch = [Float](repeating: 0, count: order.sourceCols(format.cols))
    var error = WeightError()
    let source = try TensorRows(tensor)
    for first in stride(from: firstRow, to: endRow, by: step) {
      let rowCount = min(step, endRow - first)
      decode(
        first, rowCount, codes.baseAddress! + (first - firstRow) * rowByteCount, decoder, &stored)
      try original.withUnsafeMutableBufferPointer { original in
        try scratch.withUnsafeMutableBufferPointer {
          try order.read(
            first..<first + rowCount, of: source, into: original.baseAddress!, scratch: $0)
        }
      }
      for element in 0..<rowCount * format.cols { error.add(original[element], stored[element]) }
    }
    return error
  }

  /// Decodes rows whose codes begin at `codes`; the scales of the whole weight are at hand.
  private func decode(
    _ first: Int, _ rowCount: Int, _ codes: UnsafeRawPointer, _ decoder: WeightDecoder,
    _ x: inout [Float]
  ) {
    let start = format.byteCounts(rowCount: first)
    x.withUnsafeMutableBufferPointer { x in
      scales.withUnsafeBytes { scales in
        superscales.withUnsafeBytes { superscales in
          decoder.decode(
            codes: codes, scales: scales.baseAddress.map { $0 + start.scales },
            superscales: superscales.baseAddress.map { $0 + start.superscales },
            rowCount: rowCount, into: x.baseAddress!)
        }
      }
    }
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

extension WeightError {
  fileprivate mutating func add(_ original: Float, _ stored: Float) {
    let difference = Double(original) - Double(stored)
    squaredError += difference * difference
    squaredSum += Double(original) * Double(original)
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
