import VARKernels

/// Rows of a layer's input on the original path that wait for those of the same tokens on the rounded one.
struct WaitingRows {
  private var values: [Float] = []
  private var next = 0

  mutating func append(_ input: Rows) {
    for row in 0..<input.count {
      values.append(contentsOf: UnsafeBufferPointer(start: input[row], count: input.columns))
    }
  }

  /// What the first rows that wait have more than the rows of the same tokens, `[count, columns]`.
  mutating func drift(of input: Rows) -> [Float] {
    let count = input.count * input.columns
    precondition(next + count <= values.count, "as many rows on both paths")
    var drift = Array(values[next..<next + count])
    for row in 0..<input.count {
      let others = input[row]
      for column in 0..<input.columns { drift[row * input.columns + column] -= others[column] }
    }
    next += count
    if next == values.count {
      values.removeAll(keepingCapacity: true)
      next = 0
    }
    return drift
  }
}
