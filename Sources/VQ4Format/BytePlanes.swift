/// The two planes of 2-byte elements: all low bytes, then all high bytes. Exponents stand together, and compress.
enum BytePlanes {
  /// Divides an even number of bytes into planes of the same size together.
  static func split(_ bytes: UnsafeRawBufferPointer, into planes: UnsafeMutableRawBufferPointer) {
    precondition(bytes.count % 2 == 0 && planes.count == bytes.count, "no whole planes")
    guard let input = bytes.baseAddress, let output = planes.baseAddress else { return }
    let count = bytes.count / 2
    let even = output.assumingMemoryBound(to: UInt8.self)
    let odd = even + count
    for index in 0..<count {
      let pair = input.loadUnaligned(fromByteOffset: 2 &* index, as: UInt16.self).littleEndian
      even[index] = UInt8(truncatingIfNeeded: pair)
      odd[index] = UInt8(truncatingIfNeeded: pair &>> 8)
    }
  }

  /// Undoes `split`.
  static func merge(_ planes: UnsafeRawBufferPointer, into bytes: UnsafeMutableRawBufferPointer) {
    precondition(bytes.count % 2 == 0 && planes.count == bytes.count, "no whole planes")
    guard let input = planes.baseAddress, let output = bytes.baseAddress else { return }
    let count = bytes.count / 2
    let even = input.assumingMemoryBound(to: UInt8.self)
    let odd = even + count
    for index in 0..<count {
      let pair = UInt16(even[index]) | UInt16(odd[index]) &<< 8
      output.storeBytes(of: pair.littleEndian, toByteOffset: 2 &* index, as: UInt16.self)
    }
  }
}

/// The planes of one chunk at a time; as large as the largest chunk so far.
struct PlaneRoom {
  private var buffer: AlignedBuffer?

  mutating func prefix(_ count: Int) throws(VQ4Error) -> UnsafeMutableRawBufferPointer {
    if let buffer, buffer.bytes.count >= count { return buffer.prefix(count) }
    // The old room goes first, so that there is never more than one.
    buffer = nil
    let larger = try AlignedBuffer(count: count)
    buffer = larger
    return larger.prefix(count)
  }
}
