extension CheckpointTensor {
  /// Whether all elements have the same bits. Reads up to the first that differs, which is near the start in weights.
  package func isOneValue() throws(CheckpointError) -> Bool {
    let width = elementType.byteCount
    // Neighbouring pieces share an element, so that each is compared with the one before.
    var piece = 4096
    var first = 0
    let memory = try file.memory(1 << 20)
    defer { withExtendedLifetime(memory) {} }
    let buffer = memory.bytes
    while first + width < byteCount {
      let part = UnsafeMutableRawBufferPointer(rebasing: buffer[..<min(piece, byteCount - first)])
      try readBytes(from: first, into: part)
      guard Self.repeats(part, each: width) else { return false }
      first += part.count - width
      piece = buffer.count
    }
    return byteCount > 0
  }

  /// Whether every byte is the one `width` bytes before it, but for the first `width`.
  private static func repeats(_ bytes: UnsafeMutableRawBufferPointer, each width: Int) -> Bool {
    let count = bytes.count - width
    let wordEnd = count - count % 8
    for offset in stride(from: 0, to: wordEnd, by: 8) {
      let word = bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
      let next = bytes.loadUnaligned(fromByteOffset: offset + width, as: UInt64.self)
      if word != next { return false }
    }
    return (wordEnd..<count).allSatisfy { bytes[$0] == bytes[$0 + width] }
  }
}

extension CheckpointShard {
  /// Where the zeros begin with which the file ends; its size where its last byte is none.
  ///
  /// Reads backwards, and so little of a file that does not end with zeros.
  package func trailingZeroStart() throws(CheckpointError) -> Int {
    let memory = try file.memory(1 << 20)
    defer { withExtendedLifetime(memory) {} }
    let buffer = memory.bytes
    var end = byteCount
    // A page says enough of nearly every file.
    var piece = 4096
    while end > 0 {
      let part = UnsafeMutableRawBufferPointer(rebasing: buffer[..<min(piece, end)])
      try file.read(from: end - part.count, into: part)
      if let last = part.lastIndex(where: { $0 != 0 }) { return end - part.count + last + 1 }
      end -= part.count
      piece = buffer.count
    }
    return 0
  }
}
