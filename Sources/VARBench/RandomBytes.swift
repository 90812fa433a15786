/// A repeatable source of random numbers (SplitMix64).
struct RandomBytes {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

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
