/// Named buffers with exact sizes, decided before anything runs.
package struct MemoryPlan: Sendable {
  /// A named buffer and its size.
  package struct Buffer: Sendable, Equatable {
    package let name: String
    package let byteCount: Int
    package let content: Content
  }

  /// What a buffer is for, as far as people are told.
  package enum Content: Sendable {
    /// Grows with the tokens that are remembered.
    case keysAndValues
    case scratch
  }

  /// Place of a buffer in the plan.
  package struct ID: Sendable, Equatable {
    let index: Int
  }

  /// In the order of reservation, which is their order in memory.
  package private(set) var buffers: [Buffer] = []

  package init() {}

  /// Adds a buffer of bytes.
  package mutating func reserve(
    _ name: String, byteCount: Int, _ content: Content = .scratch
  ) -> ID {
    precondition(byteCount >= 0, "a buffer has no negative size")
    buffers.append(Buffer(name: name, byteCount: byteCount, content: content))
    return ID(index: buffers.count - 1)
  }

  /// Adds a buffer of f32 values.
  package mutating func reserve(_ name: String, floats count: Int) -> ID {
    reserve(name, byteCount: count * MemoryLayout<Float>.stride)
  }

  /// Place and shape of rows in the plan.
  package struct RowsID: Sendable {
    let buffer: ID
    let rows, columns: Int

    /// The same memory for what is needed at another time: other rows of the same number, or `rows` of them.
    package func shared(rows: Int? = nil, columns: Int) -> RowsID {
      let rows = rows ?? self.rows
      precondition(rows * columns <= self.rows * self.columns, "rows pass the buffer they share")
      return RowsID(buffer: buffer, rows: rows, columns: columns)
    }
  }

  /// Adds a buffer of rows of f32 values.
  package mutating func reserve(_ name: String, rows: Int, columns: Int) -> RowsID {
    RowsID(buffer: reserve(name, floats: rows * columns), rows: rows, columns: columns)
  }

  /// Size of the arena: every buffer on a cache line of its own.
  package var byteCount: Int { buffers.reduce(0) { $0 + Self.aligned($1.byteCount) } }

  static func aligned(_ byteCount: Int) -> Int { (byteCount + 63) / 64 * 64 }
}
