import VARConversion
import VARModels
import VARQuantization
import VQ4Format

/// A matrix or table of a model, which can be read meanwhile.
package struct OriginalMatrix: @unchecked Sendable {
  package let format: WeightFormat
  let shape: [Int]
  private let codes: UnsafeRawPointer
  private let scales, superscales: UnsafeRawPointer?

  package init(_ source: any WeightSource, _ tensor: Int) {
    let description = source.directory.description(ofTensor: tensor)
    format = WeightFormat(description)
    shape = description.shape
    func stream(_ role: VQ4StreamRole) -> UnsafeRawPointer? {
      description.byteCount(of: role) > 0 ? source.stream(tensor, role) : nil
    }
    codes = source.stream(tensor, .codes)
    (scales, superscales) = (stream(.scales), stream(.superscales))
  }

  /// Decodes units; one per thread, since it owns scratch.
  package func reader() -> Reader { Reader(matrix: self) }

  /// Bytes of memory that a reader takes: a unit's rows.
  static func readerByteCount(cols: Int) -> Int {
    WeightFormat.unitRowCount * cols * MemoryLayout<Float>.stride
  }

  package struct Reader {
    private let matrix: OriginalMatrix
    private let decoder: WeightDecoder
    private var values: [Float]

    fileprivate init(matrix: OriginalMatrix) {
      self.matrix = matrix
      decoder = WeightDecoder(format: matrix.format)
      values = [Float](repeating: 0, count: WeightFormat.unitRowCount * matrix.format.cols)
    }

    /// Calls `body` with the rows of a unit, `[rowCount][cols]`.
    package mutating func with<Result, Failure: Error>(
      unit: Int, _ body: (UnsafePointer<Float>, _ rowCount: Int) throws(Failure) -> Result
    ) throws(Failure) -> Result {
      let rowCount = decode(unit)
      return try values.withUnsafeBufferPointer { (values) throws(Failure) in
        try body(values.baseAddress!, rowCount)
      }
    }

    /// The values of a row.
    package mutating func row(_ row: Int) -> ArraySlice<Float> {
      let (unit, place) = row.quotientAndRemainder(dividingBy: WeightFormat.unitRowCount)
      _ = decode(unit)
      return values[place * matrix.format.cols..<(place + 1) * matrix.format.cols]
    }

    private mutating func decode(_ unit: Int) -> Int {
      let format = matrix.format
      let first = unit * WeightFormat.unitRowCount
      let rowCount = min(WeightFormat.unitRowCount, format.rows - first)
      let start = format.byteCounts(rowCount: first)
      values.withUnsafeMutableBufferPointer {
        decoder.decode(
          codes: matrix.codes + start.codes, scales: matrix.scales.map { $0 + start.scales },
          superscales: matrix.superscales.map { $0 + start.superscales }, rowCount: rowCount,
          into: $0.baseAddress!)
      }
      return rowCount
    }
  }
}
