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

  /// Elements that `sourceCols` of a row in the checkpoint become.
  private func cols(_ sourceCols: Int) -> Int {
    if case .sumOfFrames(_, let frames, _) = self { sourceCols / frames } else { sourceCols }
  }

  /// Reads rows of `source` into `x[rows.count][cols]`.
  ///
  /// - Parameter scratch: room for one row of the checkpoint.
  func read(
    _ rows: Range<Int>, of source: TensorRows, into x: UnsafeMutablePointer<Float>,
    scratch: UnsafeMutableBufferPointer<Float>
  ) throws(CheckpointError) {
    if self == .unchanged {
      try source.read(firstRow: rows.lowerBound, rowCount: rows.count, into: x)
      return
    }
    let cols = cols(source.cols)
    let row = UnsafeMutableBufferPointer(rebasing: scratch[..<source.cols])
    for index in 0..<rows.count {
      try source.read(firstRow: rows.lowerBound + index, rowCount: 1, into: row.baseAddress!)
      reorder(row, into: x + index * cols)
    }
  }

  /// The same from the rows' `bytes` in the checkpoint, which are in memory.
  func convert(
    _ bytes: UnsafeRawPointer, ofRows rows: Range<Int>, of source: TensorRows,
    into x: UnsafeMutablePointer<Float>, scratch: UnsafeMutableBufferPointer<Float>
  ) throws(CheckpointError) {
    let type = source.tensor.elementType
    if self == .unchanged {
      type.convert(bytes, count: rows.count * source.cols, into: x)
      try source.addUpdates(firstRow: rows.lowerBound, rowCount: rows.count, to: x)
      return
    }
    let cols = cols(source.cols)
    let row = UnsafeMutableBufferPointer(rebasing: scratch[..<source.cols])
    for index in 0..<rows.count {
      type.convert(
        bytes + index * row.count * type.byteCount, count: row.count, into: row.baseAddress!)
      try source.addUpdates(
        firstRow: rows.lowerBound + index, rowCount: 1, to: row.baseAddress!)
      reorder(row, into: x + index * cols)
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
