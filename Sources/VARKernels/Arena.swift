import VARSystem

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

  /// All buffers, and the gaps between them, which are zero where nobody has written to them.
  package var bytes: UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(start: memory.base, count: plan.byteCount)
  }

  /// First byte of a buffer, a multiple of 64.
  package func raw(_ id: MemoryPlan.ID) -> UnsafeMutableRawPointer {
    memory.base + offsets[id.index]
  }

  /// A buffer of f32 values.
  package func floats(_ id: MemoryPlan.ID) -> UnsafeMutablePointer<Float> {
    raw(id).assumingMemoryBound(to: Float.self)
  }

  /// A buffer of rows.
  package func rows(_ id: MemoryPlan.RowsID) -> Rows {
    Rows(floats(id.buffer), count: id.rows, columns: id.columns)
  }
}
