/// Little-endian numbers appended to a byte array.
package struct ByteEncoder {
  package private(set) var bytes: [UInt8] = []

  package init() {}

  package mutating func append<Number: FixedWidthInteger>(_ value: Number) {
    withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
  }

  package mutating func append(_ hash: VQ4Hash) {
    append(hash.low)
    append(hash.high)
  }

  package mutating func append(_ other: some Sequence<UInt8>) { bytes.append(contentsOf: other) }

  mutating func pad(to count: Int) {
    precondition(bytes.count <= count, "a record is longer than its size")
    bytes.append(contentsOf: repeatElement(0, count: count - bytes.count))
  }
}

/// Little-endian numbers read one after the other from bytes of known length.
package struct ByteDecoder {
  private let bytes: UnsafeRawBufferPointer
  private(set) var position = 0

  package init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  /// Bytes that are not read yet.
  package var remainingBytes: Int { bytes.count - position }

  package mutating func next<Number: FixedWidthInteger>(_ type: Number.Type = Number.self) -> Number
  {
    let size = MemoryLayout<Number>.size
    precondition(position + size <= bytes.count, "a record is read past its end")
    defer { position += size }
    return Number(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: Number.self))
  }

  package mutating func nextHash() -> VQ4Hash {
    let low: UInt64 = next()
    return VQ4Hash(high: next(), low: low)
  }

  /// The next `count` bytes are reserved and must be zero.
  mutating func expectZeros(_ count: Int) throws(VQ4Error) {
    for _ in 0..<count where next(UInt8.self) != 0 {
      throw VQ4Error(
        .reservedNotZero, "a reserved byte is not zero", remedy: .convertAgain)
    }
  }
}

extension UnsafeRawBufferPointer {
  /// A part of the buffer that the caller has checked to lie inside.
  func part(_ offset: Int, _ count: Int) -> UnsafeRawBufferPointer {
    precondition(
      offset >= 0 && count >= 0 && offset <= self.count && count <= self.count - offset,
      "a part lies outside its buffer")
    return UnsafeRawBufferPointer(rebasing: self[offset..<offset + count])
  }

  /// Index of the first byte that is not zero.
  var firstNonZero: Int? {
    var index = 0
    while index + 8 <= count {
      if loadUnaligned(fromByteOffset: index, as: UInt64.self) != 0 { break }
      index += 8
    }
    while index < count {
      if self[index] != 0 { return index }
      index += 1
    }
    return nil
  }
}
