import VARSystem

/// A repeatable source of random numbers and bytes.
struct RandomBytes {
  private var random: SeededRandom

  init(seed: UInt64) { random = SeededRandom(seed: seed) }

  mutating func next() -> UInt64 { random.next() }

  /// At least -1 and below 1.
  mutating func signed() -> Float { Float(Int64(bitPattern: next()) >> 40) * 0x1p-23 }

  /// 1 MiB of random bytes.
  static func block(seed: UInt64) -> [UInt8] {
    var random = RandomBytes(seed: seed)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(1 << 20)
    while bytes.count < 1 << 20 {
      withUnsafeBytes(of: random.next()) { bytes.append(contentsOf: $0) }
    }
    return bytes
  }
}

extension UnsafeMutableRawPointer {
  /// Fills `byteCount` bytes with copies of `block`, the last one cut.
  func fill<Element: BitwiseCopyable>(byteCount: Int, repeating block: [Element]) {
    block.withUnsafeBytes { block in
      var offset = 0
      while offset < byteCount {
        let count = min(block.count, byteCount - offset)
        (self + offset).copyMemory(from: block.baseAddress!, byteCount: count)
        offset += count
      }
    }
  }
}
