/// Rows of f32 values in memory: what operations read and write, and what buffers hold.
///
/// A row is a token, a patch or a pixel. The columns of a row lie side by side; rows may lie apart, as those of a slice
/// of columns do:
///
///     qkv[4..<8][columns: width..<2 * width]  // the keys of four tokens
///
/// A slice is a view of the same memory. The memory is that of an arena or array, which has to outlive the view.
package struct Rows {
  /// First value of the first row.
  package let pointer: UnsafeMutablePointer<Float>
  /// Number of rows.
  package let count: Int
  /// Values of a row.
  package let columns: Int
  /// Values from the beginning of a row to the beginning of the next one.
  package let stride: Int

  /// - Parameter stride: of rows that lie apart; without it they have no gaps.
  @inlinable package init(
    _ pointer: UnsafeMutablePointer<Float>, count: Int, columns: Int, stride: Int? = nil
  ) {
    let stride = stride ?? columns
    precondition(count >= 0 && columns >= 0 && stride >= columns, "rows of no shape")
    self.pointer = pointer
    self.count = count
    self.columns = columns
    self.stride = stride
  }

  /// Rows without gaps that are only read, such as those of weights.
  @inlinable package init(reading pointer: UnsafePointer<Float>, count: Int, columns: Int) {
    self.init(UnsafeMutablePointer(mutating: pointer), count: count, columns: columns)
  }

  /// Some of the rows.
  @inlinable package subscript(rows: Range<Int>) -> Rows {
    precondition(rows.lowerBound >= 0 && rows.upperBound <= count, "rows pass the buffer")
    return Rows(
      pointer + rows.lowerBound * stride, count: rows.count, columns: columns, stride: stride)
  }

  /// The first rows.
  @inlinable package subscript(rows: PartialRangeUpTo<Int>) -> Rows { self[0..<rows.upperBound] }

  /// Some columns of every row.
  @inlinable package subscript(columns range: Range<Int>) -> Rows {
    precondition(range.lowerBound >= 0 && range.upperBound <= columns, "columns pass the rows")
    return Rows(pointer + range.lowerBound, count: count, columns: range.count, stride: stride)
  }

  /// The last row.
  @inlinable package var last: Rows { self[count - 1..<count] }

  /// The values of one row.
  @inlinable package subscript(row: Int) -> UnsafeMutablePointer<Float> {
    precondition(row >= 0 && row < count, "a row passes the buffer")
    return pointer + row * stride
  }

  /// Whether the rows follow each other without gaps.
  @inlinable package var isContiguous: Bool { stride == columns || count <= 1 }

  /// All values of rows without gaps.
  @inlinable package var values: UnsafeMutableBufferPointer<Float> {
    precondition(isContiguous, "rows with gaps are no run of values")
    return UnsafeMutableBufferPointer(start: pointer, count: count * columns)
  }

  /// Rows without gaps as fewer and longer ones: each run of `size` rows becomes one.
  @inlinable package func joined(_ size: Int) -> Rows {
    precondition(isContiguous && count % size == 0, "rows that make no whole longer ones")
    return Rows(pointer, count: count / size, columns: size * columns)
  }

  /// Whether these are as many and as long as other rows.
  @inlinable package func hasShape(of other: Rows) -> Bool {
    count == other.count && columns == other.columns
  }

  /// Takes over the values of rows of the same shape in other memory.
  @inlinable package func copy(from source: Rows) {
    precondition(hasShape(of: source), "rows of another shape")
    for row in 0..<count { self[row].update(from: source[row], count: columns) }
  }
}

extension [Float] {
  /// Calls `body` with the values as rows of `columns` values that are only read.
  package func withRows<Result, Failure: Error>(
    columns: Int, _ body: (Rows) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try withUnsafeBufferPointer { values throws(Failure) in
      guard let start = values.baseAddress else { preconditionFailure("no values") }
      return try body(Rows(reading: start, count: values.count / columns, columns: columns))
    }
  }

  /// Calls `body` with the values as rows of `columns` values that it may change.
  package mutating func withMutableRows<Result, Failure: Error>(
    columns: Int, _ body: (Rows) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try withUnsafeMutableBufferPointer { values throws(Failure) in
      guard let start = values.baseAddress else { preconditionFailure("no values") }
      return try body(Rows(start, count: values.count / columns, columns: columns))
    }
  }
}
