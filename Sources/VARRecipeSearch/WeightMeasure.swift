import VARCalibration
import VARKernels
import VARLite
import VARModels
import VARQuantization
import VARSystem
import VQ4Format

/// A way to store a weight: what it costs in accuracy and in bytes.
package struct MeasuredStorage: Sendable, Equatable {
  package let storage: Storage
  /// What rounding adds to the layer's outputs, relative, squared; of weights without known inputs what it adds to the
  /// weights.
  package let error: Double
  /// Bytes of codes, scales and superscales in the file.
  package let streamByteCounts: [Int]

  package var byteCount: Int { streamByteCounts.reduce(0, +) }
}

/// A weight with the ways to store it, the smallest first.
package struct MeasuredWeight: Sendable, Equatable {
  package let name: String
  package let choices: [MeasuredStorage]
  /// Whether errors were made good by what is known of the inputs.
  package let isCompensated: Bool
  /// Errors in int4 and in int8 as groups are measured with them.
  package let probeErrors: [Double]

  func choice(_ storage: Storage) -> Int? { choices.firstIndex { $0.storage == storage } }
}

/// Rounds parts of weights in all ways that there are, as a conversion does.
struct WeightMeasure {
  private let knowledge: WeightKnowledge
  private let layout: VQ4StorageLayout
  private let isCancelled: () -> Bool
  /// Whether groups are measured with what is known of the inputs.
  private let probesAreCompensated: Bool

  /// Elements of a weight that are rounded at most.
  private static let sampleElementCount = 1 << 20

  init(
    _ knowledge: WeightKnowledge, _ layout: VQ4StorageLayout, probesAreCompensated: Bool,
    isCancelled: @escaping () -> Bool
  ) {
    self.probesAreCompensated = probesAreCompensated
    self.knowledge = knowledge
    self.layout = layout
    self.isCancelled = isCancelled
  }

  func measure(_ weight: TensorSpecification) throws -> MeasuredWeight {
    guard let tensor = knowledge.original.directory.tensorIndex(named: weight.name) else {
      preconditionFailure("a weight of the model")
    }
    let matrix = OriginalMatrix(knowledge.original, tensor)
    let compensation = try knowledge.compensation(of: weight, isCancelled)
    func measure(_ storage: Storage, isCompensated: Bool) throws -> MeasuredStorage {
      if isCancelled() { throw ModelError.cancelled }
      return try self.measure(
        weight, matrix, storage,
        (compensation: isCompensated ? compensation : nil, judge: compensation))
    }
    let choices = try Storage.choices(for: weight).map { try measure($0, isCompensated: true) }
    let probeErrors = try [Storage.int4, .int8].map { wanted in
      let storage = wanted.fitted(cols: weight.cols)
      if probesAreCompensated || compensation == nil {
        return choices.first { $0.storage == storage }?.error ?? 0
      }
      return try measure(storage, isCompensated: false).error
    }
    return MeasuredWeight(
      name: weight.name, choices: choices, isCompensated: compensation != nil,
      probeErrors: probeErrors)
  }

  /// Units of 16 rows, spread evenly over the weight.
  private static func sample(_ format: WeightFormat) -> [Int] {
    let unitRows = WeightFormat.unitRowCount
    let unitCount = (format.rows + unitRows - 1) / unitRows
    let count = max(1, min(unitCount, sampleElementCount / (unitRows * format.cols)))
    return (0..<count).map { $0 * unitCount / count }
  }

  private struct UnitOutcome {
    var error = 0.0
    var energy = 0.0
    var streams: [[UInt8]] = []
  }

  private func measure(
    _ weight: TensorSpecification, _ matrix: OriginalMatrix, _ storage: Storage,
    _ known: (compensation: Compensation?, judge: Compensation?)
  ) throws -> MeasuredStorage {
    let format = knowledge.format(of: weight, storage, matrix)
    let units = Self.sample(format)
    let compensated = format.precision.isInteger ? known.compensation : nil
    var outcomes = [Result<UnitOutcome, QuantizationError>](
      repeating: .success(UnitOutcome()), count: units.count)
    outcomes.withUnsafeMutableBufferPointer { outcomes in
      let slots = outcomes.baseAddress!
      knowledge.pool.parallel(units.count) { places in
        let work = UnitWork(format, compensated, judgedBy: known.judge)
        var reader = matrix.reader()
        for place in places {
          slots[place] = Result { () throws(QuantizationError) in
            try reader.with(unit: units[place]) { x, rowCount throws(QuantizationError) in
              try work.round(x, rowCount, of: weight.name)
            }
          }
        }
      }
    }
    var (error, energy) = (0.0, 0.0)
    var streams = [[UInt8]](repeating: [], count: 3)
    for outcome in outcomes {
      let outcome = try outcome.get()
      error += outcome.error
      energy += outcome.energy
      for index in 0..<3 { streams[index] += outcome.streams[index] }
    }
    return MeasuredStorage(
      storage: storage, error: energy > 0 ? error / energy : 0,
      streamByteCounts: try storedByteCounts(streams, weight, format))
  }

  /// Bytes of the whole streams, by what a part of them takes.
  private func storedByteCounts(
    _ parts: [[UInt8]], _ weight: TensorSpecification, _ format: WeightFormat
  ) throws -> [Int] {
    let description = VQ4TensorDescription(
      name: weight.name, elementType: format.precision.elementType,
      layout: format.layout == .tiles ? .tiles : .table, shape: weight.shape,
      groupSize: format.groupSize
    ).with(codebook: format.codebook)
    let encoder = VQ4ChunkEncoder()
    return try zip(VQ4StreamRole.allCases, parts).map { role, part in
      let byteCount = description.byteCount(of: role)
      guard byteCount > 0, !part.isEmpty else { return 0 }
      let stored = try part.withUnsafeBytes {
        try encoder.storedByteCount(of: $0, role, description, layout)
      }
      guard stored < part.count else { return byteCount }
      return Int((Double(stored) * Double(byteCount) / Double(part.count)).rounded(.up))
    }
  }

  /// Rounds units; one per thread.
  private final class UnitWork {
    private let format: WeightFormat
    private let encoder: WeightEncoder
    private let decoder: WeightDecoder
    private let energy: OutputEnergy?
    private var rounded: [Float]
    private let streams: [UnsafeMutableRawBufferPointer]

    init(_ format: WeightFormat, _ compensation: Compensation?, judgedBy known: Compensation?) {
      self.format = format
      encoder = WeightEncoder(format: format, compensation: compensation)
      decoder = WeightDecoder(format: format)
      energy = known.map { OutputEnergy($0) }
      rounded = [Float](repeating: 0, count: WeightFormat.unitRowCount * format.cols)
      let counts = format.byteCounts(rowCount: WeightFormat.unitRowCount)
      // Types without scales leave the place for them alone.
      streams = [counts.codes, counts.scales, counts.superscales].map {
        UnsafeMutableRawBufferPointer.allocate(
          byteCount: max(1, $0), alignment: HeapMemory.alignment)
      }
    }

    deinit { for stream in streams { stream.deallocate() } }

    func round(
      _ x: UnsafePointer<Float>, _ rowCount: Int, of name: String
    ) throws(QuantizationError) -> UnitOutcome {
      let places = streams.map { $0.baseAddress! }
      let plain = try encoder.encode(
        x, rowCount: rowCount,
        into: WeightEncoder.Output(codes: places[0], scales: places[1], superscales: places[2]),
        name: name, firstRow: 0)
      var outcome = UnitOutcome(error: plain.squaredError, energy: plain.squaredSum)
      if let energy {
        rounded.withUnsafeMutableBufferPointer {
          let target = $0.baseAddress!
          decoder.decode(
            codes: places[0], scales: places[1], superscales: places[2], rowCount: rowCount,
            into: target)
          for index in 0..<rowCount * format.cols { target[index] = x[index] - target[index] }
          outcome.energy = energy.sum(x, rowCount: rowCount, cols: format.cols)
          outcome.error = energy.sum(target, rowCount: rowCount, cols: format.cols)
        }
      }
      let counts = format.byteCounts(rowCount: rowCount)
      outcome.streams = zip(streams, [counts.codes, counts.scales, counts.superscales]).map {
        Array($0[..<$1])
      }
      return outcome
    }
  }
}
