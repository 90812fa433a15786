/// The number type of a tensor's codes; the same numbers as `cvar_type`.
package enum VQ4ElementType: UInt8, Sendable, CaseIterable {
  case f32 = 1
  case f16 = 2
  case bf16 = 3
  case int8 = 4
  case int4 = 5

  /// Whether the codes need scales.
  package var isQuantized: Bool { self == .int8 || self == .int4 }

  /// Bits of one code.
  package var bitCount: Int {
    switch self {
    case .f32: 32
    case .f16, .bf16: 16
    case .int8: 8
    case .int4: 4
    }
  }

  /// Group sizes along the input axis that the type may have; empty for floats.
  package var groupSizes: [Int] {
    switch self {
    case .f32, .f16, .bf16: []
    case .int8: [32, 64, 128]
    case .int4: [16, 32, 64, 128]
    }
  }
}

/// The order in which a tensor's elements stand in its streams.
package enum VQ4Layout: UInt8, Sendable, CaseIterable {
  /// Plain row-major array of any rank, floats only: norms, biases, constants.
  case vector = 0
  /// `[rows, cols]`, row-major, made to be read row by row.
  case table = 1
  /// `[rows, cols]` in tiles of 16 rows, as `cvar_matrix` reads it.
  case tiles = 2
}

/// One of the byte streams that make up a tensor.
package enum VQ4StreamRole: UInt8, Sendable, CaseIterable {
  case codes = 0
  case scales = 1
  case superscales = 2
}

/// How a chunk or an attachment is stored.
package enum VQ4Codec: UInt8, Sendable, CaseIterable {
  case raw = 0
  case zstd = 1
  /// zstd of the bytes at even positions followed by those at odd ones; chunks only.
  case zstdPlanes = 2
}

/// What the writer may compress.
package enum VQ4StorageLayout: String, Sendable, CaseIterable {
  /// Every tensor stream raw, so that all of them are used in place from the mapped file.
  case map
  /// Each stream that gains at least 3 % compressed: the smallest file.
  case compact
  /// Each stream that gains at least 10 % compressed.
  case auto

  /// The least gain, in percent of the raw bytes, that makes a stream worth compressing.
  package var leastGainPercent: Int? {
    switch self {
    case .map: nil
    case .compact: 3
    case .auto: 10
    }
  }
}
