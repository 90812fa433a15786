import VARConversion
import VARForcedRun
import VARKernels
import VARLite
import VARModels
import VARQuantization
import VARSystem
import VQ4Format

/// Stores weights of a model anew while it runs, as a conversion of its checkpoint stores them.
package struct WeightRounder: Sendable {
  private let pool: ThreadPool

  package init(_ pool: ThreadPool) { self.pool = pool }

  /// How a weight is stored, with the codebook that its rows ask for.
  package static func format(
    of original: OriginalMatrix, _ precision: Precision, groupSize: Int, codebookRange: Int? = nil
  ) -> WeightFormat {
    let (rows, cols) = (original.format.rows, original.format.cols)
    let format = WeightFormat(
      precision: precision, layout: original.format.layout, rows: rows, cols: cols,
      groupSize: groupSize)
    guard precision == .int4 else { return format }
    var reader = original.reader()
    let sample = CodebookSample.rows(of: rows, cols: cols).flatMap { reader.row($0) }
    return format.with(
      codebook: CodebookSample.codebook(
        of: sample, cols: cols, groupSize: groupSize, range: codebookRange))
  }

  /// A weight in another format, and how far it is from the original.
  ///
  /// - Parameter compensation: nil rounds to the nearest.
  package func round(
    _ name: String, _ original: OriginalMatrix, to format: WeightFormat,
    _ compensation: Compensation?
  ) throws -> (weight: ReplacedWeights.Replacement, error: WeightError) {
    let rounded = try Self.replacement(
      VQ4TensorDescription(
        name: name, elementType: format.precision.elementType,
        layout: format.layout == .tiles ? .tiles : .table, shape: original.shape,
        groupSize: format.groupSize
      ).with(codebook: format.codebook))
    return (rounded, try encode(original, format, compensation, into: rounded))
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

  /// A bias with what the outputs of its weight lack on average.
  package static func shifted(
    _ bias: Int, of source: any WeightSource, by shifts: [Float]
  ) throws -> ReplacedWeights.Replacement {
    let replacement = try replacement(source.directory.description(ofTensor: bias))
    let values = source.stream(bias, .codes).assumingMemoryBound(to: Float.self)
    let shifted = replacement.bytes(.codes).bindMemory(to: Float.self)
    for (index, shift) in shifts.enumerated() { shifted[index] = values[index] + shift }
    return replacement
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
}
