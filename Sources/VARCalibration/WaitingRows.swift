import VARKernels

/// Rows of a layer's input on the original path that wait for those of the same tokens on the rounded one.
struct WaitingRows {
  /// Rows that wait at most: those of a drawing.
  let capacity: Int
  private var columns = 0
  private var values: [Float] = []
  private var next = 0

  init(capacity: Int) { self.capacity = capacity }

  var isEmpty: Bool { values.isEmpty }

  mutating func append(_ input: Rows) {
    if values.isEmpty {
      columns = input.columns
      values.reserveCapacity(capacity * columns)
    }
    precondition(input.columns == columns, "rows of one layer")
    precondition(values.count + input.count * columns <= capacity * columns, "rows of one drawing")
    for row in 0..<input.count {
      values.append(contentsOf: UnsafeBufferPointer(start: input[row], count: columns))
    }
  }

  /// What the first rows that wait have more than the rows of the same tokens, `[count, columns]`.
  mutating func drift(of input: Rows) -> [Float] {
    let count = input.count * columns
    precondition(input.columns == columns, "rows of one layer")
    precondition(next + count <= values.count, "as many rows on both paths")
    var drift = Array(values[next..<next + count])
    for row in 0..<input.count {
      let others = input[row]
      for column in 0..<columns { drift[row * columns + column] -= others[column] }
    }
    next += count
    if next == values.count {
      values.removeAll(keepingCapacity: true)
      next = 0
    }
    return drift
  }

  /// Gives the memory back; nothing waits.
  mutating func release() {
    precondition(isEmpty, "as many rows on both paths")
    values = []
  }
}
