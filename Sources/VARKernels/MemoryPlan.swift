/// Named buffers with exact sizes, decided before anything runs.
package struct MemoryPlan: Sendable {
  /// A named buffer and its size.
  package struct Buffer: Sendable, Equatable {
    package let name: String
    package let byteCount: Int
  }

  /// Place of a buffer in the plan.
  package struct ID: Sendable, Equatable {
    fileprivate let index: Int
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

  fileprivate static func aligned(_ byteCount: Int) -> Int { (byteCount + 63) / 64 * 64 }
}

/// The one block of memory that holds the buffers of a plan.
package final class Arena {
  /// What the memory is cut into.
  package let plan: MemoryPlan
  private let memory: AnonymousMemory
  private let offsets: [Int]

  /// All of it is resident from the start.
  ///
  /// - Returns: nil where the system refuses the memory.
  package init?(_ plan: MemoryPlan) {
    self.plan = plan
    guard let memory = AnonymousMemory(byteCount: plan.byteCount) else { return nil }
    memory.touchPages()
    self.memory = memory
    var next = 0
    offsets = plan.buffers.map { buffer in
      defer { next += MemoryPlan.aligned(buffer.byteCount) }
      return next
    }
  }

  /// First byte of a buffer, a multiple of 64.
  package func raw(_ id: MemoryPlan.ID) -> UnsafeMutableRawPointer {
    memory.base + offsets[id.index]
  }

  /// A buffer of f32 values.
  package func floats(_ id: MemoryPlan.ID) -> UnsafeMutablePointer<Float> {
    raw(id).assumingMemoryBound(to: Float.self)
  }
}
