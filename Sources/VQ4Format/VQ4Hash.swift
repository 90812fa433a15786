import CXXHash

/// An XXH3-128 value; in a file the low half comes first, both little-endian.
package struct VQ4Hash: Sendable, Hashable, CustomStringConvertible {
  package let high: UInt64
  package let low: UInt64

  static let zero = VQ4Hash(high: 0, low: 0)

  package init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  /// Hashes bytes in one go.
  package init(of bytes: UnsafeRawBufferPointer) {
    let hash = XXH3_128bits(bytes.baseAddress, bytes.count)
    self.init(high: hash.high64, low: hash.low64)
  }

  /// 32 hexadecimal digits, as `xxhsum -H128` prints them.
  package var description: String { Self.hexadecimal(high) + Self.hexadecimal(low) }

  private static func hexadecimal(_ value: UInt64) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}

/// XXH3-64 of a chunk's stored bytes.
func chunkHash(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
  XXH3_64bits(bytes.baseAddress, bytes.count)
}

/// XXH3-128 over bytes that arrive in pieces.
package final class StreamHasher {
  private let state: OpaquePointer

  /// - Throws: `outOfMemory`.
  package init() throws(VQ4Error) {
    guard let state = XXH3_createState() else { throw VQ4Error(allocating: "a hash") }
    self.state = state
    XXH3_128bits_reset(state)
  }

  deinit { XXH3_freeState(state) }

  package func update(_ bytes: UnsafeRawBufferPointer) {
    XXH3_128bits_update(state, bytes.baseAddress, bytes.count)
  }

  package func update(_ bytes: [UInt8]) { bytes.withUnsafeBytes { update($0) } }

  package var value: VQ4Hash {
    let hash = XXH3_128bits_digest(state)
    return VQ4Hash(high: hash.high64, low: hash.low64)
  }
}
