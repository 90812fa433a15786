import VARSystem

/// Memory of fixed size, 64-byte aligned, freed with its owner.
final class AlignedBuffer {
  let bytes: UnsafeMutableRawBufferPointer
  private let memory: HeapMemory?

  /// No bytes.
  init() {
    memory = nil
    bytes = UnsafeMutableRawBufferPointer(start: nil, count: 0)
  }

  /// - Throws: `outOfMemory`.
  init(count: Int) throws(VQ4Error) {
    let memory: HeapMemory
    do throws(SystemError) { memory = try HeapMemory(byteCount: count) } catch {
      throw VQ4Error(allocating: count)
    }
    bytes = memory.bytes
    self.memory = memory
  }

  func prefix(_ count: Int) -> UnsafeMutableRawBufferPointer {
    precondition(count <= bytes.count, "more bytes than the buffer has")
    return UnsafeMutableRawBufferPointer(rebasing: bytes[..<count])
  }
}

extension VQ4Error {
  /// Memory that the system refused.
  init(allocating byteCount: Int) { self.init(allocating: Self.bytes(byteCount)) }

  /// Throws `outOfMemory` where an array of a size that data decide would end the process.
  static func requireMemory(_ byteCount: Int) throws(VQ4Error) {
    do throws(SystemError) { try HeapMemory.require(byteCount) } catch {
      throw VQ4Error(allocating: byteCount)
    }
  }

  /// - Parameter purpose: what the memory was for.
  init(allocating purpose: String) {
    self.init(.outOfMemory, "the system gave no memory for \(purpose)", remedy: .freeMemory)
    self = caused(by: SystemError.outOfMemory)
  }
}
