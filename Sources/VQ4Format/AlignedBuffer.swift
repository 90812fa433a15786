/// Memory of fixed size, 64-byte aligned, freed with its owner.
final class AlignedBuffer {
  let bytes: UnsafeMutableRawBufferPointer

  init(count: Int) {
    bytes = .allocate(byteCount: max(count, 1), alignment: VQ4Limits.streamAlignment)
  }

  deinit { bytes.deallocate() }

  func prefix(_ count: Int) -> UnsafeMutableRawBufferPointer {
    precondition(count <= bytes.count, "more bytes than the buffer has")
    return UnsafeMutableRawBufferPointer(rebasing: bytes[..<count])
  }
}
