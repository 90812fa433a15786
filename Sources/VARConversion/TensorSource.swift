import VARCheckpoint

/// How a stored tensor is made from the checkpoint.
enum TensorSource: Sendable {
  /// Row by row from one tensor of the same number of rows.
  case rows(CheckpointTensor, RowOrder)
  /// A small tensor, made whole in memory.
  case values(@Sendable () throws(CheckpointError) -> [Float])

  /// How the elements of a row move.
  enum RowOrder: Sendable, Equatable {
    case unchanged
    /// `[in, position]` to `[position, in]`, where position runs over the kernel's rows and columns.
    case channelsLast(channels: Int, positions: Int)
    /// `[channel, frame, position]` to `[channel, position]`: the frames of a still picture are equal, so that their
    /// kernels add up.
    case sumOfFrames(channels: Int, frames: Int, positions: Int)
  }
}

extension TensorSource.RowOrder {
  /// Elements of a row in the checkpoint that become `cols` stored ones.
  func sourceCols(_ cols: Int) -> Int {
    if case .sumOfFrames(_, let frames, _) = self { cols * frames } else { cols }
  }

  /// Reads `rowCount` rows from `firstRow` on into `x[rowCount][cols]`.
  ///
  /// - Parameter scratch: room for one row of the checkpoint.
  func read(
    _ rows: TensorRows, firstRow: Int, rowCount: Int, cols: Int,
    into x: UnsafeMutablePointer<Float>, scratch: UnsafeMutableBufferPointer<Float>
  ) throws(CheckpointError) {
    if self == .unchanged {
      try rows.read(firstRow: firstRow, rowCount: rowCount, into: x)
      return
    }
    let source = UnsafeMutableBufferPointer(rebasing: scratch[..<sourceCols(cols)])
    for row in 0..<rowCount {
      try rows.read(firstRow: firstRow + row, rowCount: 1, into: source.baseAddress!)
      reorder(source, into: x + row * cols)
    }
  }

  /// The same from `bytes` of the checkpoint that are in memory, those of the rows from `firstRow` on.
  func convert(
    _ bytes: UnsafeRawPointer, of rows: TensorRows, firstRow: Int, rowCount: Int, cols: Int,
    into x: UnsafeMutablePointer<Float>, scratch: UnsafeMutableBufferPointer<Float>
  ) throws(CheckpointError) {
    let type = rows.tensor.elementType
    if self == .unchanged {
      type.convert(bytes, count: rowCount * cols, into: x)
      try rows.addUpdates(firstRow: firstRow, rowCount: rowCount, to: x)
      return
    }
    let source = UnsafeMutableBufferPointer(rebasing: scratch[..<sourceCols(cols)])
    for row in 0..<rowCount {
      type.convert(
        bytes + row * source.count * type.byteCount, count: source.count,
        into: source.baseAddress!)
      try rows.addUpdates(firstRow: firstRow + row, rowCount: 1, to: source.baseAddress!)
      reorder(source, into: x + row * cols)
    }
  }

  private func reorder(
    _ source: UnsafeMutableBufferPointer<Float>, into row: UnsafeMutablePointer<Float>
  ) {
    switch self {
    case .unchanged: row.update(from: source.baseAddress!, count: source.count)
    case .channelsLast(let channels, let positions):
      for channel in 0..<channels {
        for position in 0..<positions {
          row[position * channels + channel] = source[channel * positions + position]
        }
      }
    case .sumOfFrames(let channels, let frames, let positions):
      for channel in 0..<channels {
        for position in 0..<positions {
          var sum: Float = 0
          for frame in 0..<frames {
            sum += source[(channel * frames + frame) * positions + position]
          }
          row[channel * positions + position] = sum
        }
      }
    }
  }
}
