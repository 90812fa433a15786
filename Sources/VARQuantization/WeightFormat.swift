import CVARKernels

/// How a weight of `[rows, cols]` is stored: precision, layout, group and codebook.
package struct WeightFormat: Sendable, Equatable {
  package enum Layout: Sendable, Equatable {
    /// Tiles of 16 rows, the operand of the matrix kernels.
    case tiles
    /// Row-major, for tables whose rows are gathered.
    case table
  }

  /// Rows that are encoded together: one tile, or 16 rows of a table.
  package static let unitRowCount = 16
  /// Inputs that share a superscale.
  static let superblockCols = 256

  package let precision: Precision
  package let layout: Layout
  package let rows: Int
  package let cols: Int
  /// 0 for floats.
  package let groupSize: Int
  /// 16 ascending entries for int4, else empty.
  package private(set) var codebook: [Int8]

  /// A format with the Gaussian codebook, where it has one.
  package init(precision: Precision, layout: Layout, rows: Int, cols: Int, groupSize: Int) {
    precondition(rows > 0 && cols > 0, "a weight has rows and columns")
    precondition(
      !precision.isInteger
        || (precision.allowedGroupSizes.contains(groupSize) && cols % groupSize == 0),
      "the group divides the row")
    self.precision = precision
    self.layout = layout
    self.rows = rows
    self.cols = cols
    self.groupSize = precision.isInteger ? groupSize : 0
    codebook = precision == .int4 ? Codebook.gaussian : []
  }

  /// The same format with another codebook, where it has one.
  package func with(codebook: [Int8]) -> WeightFormat {
    guard precision == .int4 else { return self }
    precondition(codebook.count == 16, "int4 has 16 codebook entries")
    var format = self
    format.codebook = codebook
    return format
  }

  var groupCount: Int { groupSize > 0 ? cols / groupSize : 0 }
  var superblockCount: Int {
    precision == .int4 ? (cols + Self.superblockCols - 1) / Self.superblockCols : 0
  }

  /// Bytes of each stream of a unit in tiles, whatever the layout.
  var tileByteCounts: StreamByteCounts {
    WeightFormat(
      precision: precision, layout: .tiles, rows: rows, cols: cols, groupSize: groupSize
    ).byteCounts(rowCount: Self.unitRowCount)
  }

  /// Bytes of each stream of `rowCount` rows; the rows that a last tile lacks count too.
  package func byteCounts(rowCount: Int) -> StreamByteCounts {
    let unit = Self.unitRowCount
    let stored = layout == .tiles ? (rowCount + unit - 1) / unit * unit : rowCount
    let codes =
      switch precision {
      case .int4: stored * cols / 2
      case .int8: stored * cols
      case .f16, .bf16: stored * cols * 2
      case .f32: stored * cols * 4
      }
    return StreamByteCounts(
      codes: codes, scales: stored * groupCount * (precision == .int8 ? 2 : 1),
      superscales: stored * superblockCount * 2)
  }

  /// Bytes of the whole weight.
  package var byteCounts: StreamByteCounts { byteCounts(rowCount: rows) }
}

/// Bytes of a weight's streams.
package struct StreamByteCounts: Sendable, Equatable {
  package var codes: Int
  package var scales: Int
  package var superscales: Int

  package var total: Int { codes + scales + superscales }
}
