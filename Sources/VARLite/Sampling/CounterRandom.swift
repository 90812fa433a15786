/// Random numbers by counter (Philox 4x32-10): a draw depends on the seed and its place alone, so runs of different
/// precision, order or speed stay comparable.
package struct CounterRandom: Sendable {
  private let key: (UInt32, UInt32)

  package init(seed: UInt64) {
    key = (UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32))
  }

  /// A number in `0..<1` with 24 bits, for a place of four coordinates.
  package func uniform(_ a: Int, _ b: Int, _ c: Int, _ d: Int = 0) -> Float {
    let block = philox(
      UInt32(truncatingIfNeeded: a), UInt32(truncatingIfNeeded: b), UInt32(truncatingIfNeeded: c),
      UInt32(truncatingIfNeeded: d))
    return Float(block >> 8) * 0x1p-24
  }

  /// The first word of the block at a counter.
  package func philox(_ c0: UInt32, _ c1: UInt32, _ c2: UInt32, _ c3: UInt32) -> UInt32 {
    var counter = (c0, c1, c2, c3)
    var (key0, key1) = key
    for _ in 0..<10 {
      let first = UInt64(0xD251_1F53) * UInt64(counter.0)
      let second = UInt64(0xCD9E_8D57) * UInt64(counter.2)
      counter = (
        UInt32(truncatingIfNeeded: second >> 32) ^ counter.1 ^ key0,
        UInt32(truncatingIfNeeded: second),
        UInt32(truncatingIfNeeded: first >> 32) ^ counter.3 ^ key1,
        UInt32(truncatingIfNeeded: first)
      )
      key0 &+= 0x9E37_79B9
      key1 &+= 0xBB67_AE85
    }
    return counter.0
  }
}
