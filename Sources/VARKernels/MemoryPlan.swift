/// Named buffers with exact sizes, decided before anything runs.
package struct MemoryPlan: Sendable {
  /// A named buffer and its size.
  package struct Buffer: Sendable, Equatable {
    package let name: String
    package let byteCount: Int
  }

  /// Place of a buffer in the plan.
  package struct ID: Sendable, Equatable {
    let index: Int
  }

  /// In the order of reservation, which is their order in memory.
  package private(set) var buffers: [Buffer] = []

  package init() {}

  /// Adds a buffer of bytes.
  package mutating func reserve(_ name: String, byteCount: Int) -> ID {
    precondition(byteCount >= 0, "a buffer has no negative size")
    buffers.append(Buffer(name: name, byteCount: byteCount))
    return ID(index: buffers.count - 1)
  }

  /// Adds a buffer of f32 values.
  package mutating func reserve(_ name: String, floats count: Int) -> ID {
    reserve(name, byteCount: count * MemoryLayout<Float>.stride)
  }

  /// Size of the arena: every buffer on a cache line of its own.
  package var byteCount: Int { buffers.reduce(0) { $0 + Self.aligned($1.byteCount) } }

  static func aligned(_ byteCount: Int) -> Int { (byteCount + 63) / 64 * 64 }
}
