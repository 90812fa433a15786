/// The element types that checkpoints of this model family hold.
package enum CheckpointElementType: String, Sendable {
  case bf16 = "BF16"
  case f16 = "F16"
  case f32 = "F32"
  case i64 = "I64"
  /// Any other type. Such a tensor may stand in a checkpoint as long as no weight is made of it.
  case other

  /// Whether weights may be made of it.
  package var isFloat: Bool {
    switch self {
    case .bf16, .f16, .f32: true
    case .i64, .other: false
    }
  }

  /// Bytes per element; those of `other` are not known.
  package var byteCount: Int {
    switch self {
    case .bf16, .f16: 2
    case .f32: 4
    case .i64: 8
    case .other: 1
    }
  }

  /// Bytes per element of what safetensors calls `name`; nil for a name that is not known, or less than a byte.
  static func byteCount(ofSafetensors name: String) -> Int? {
    switch name {
    case "BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ": 1
    case "U16", "I16", "F16", "BF16": 2
    case "U32", "I32", "F32": 4
    case "U64", "I64", "F64", "C64": 8
    default: nil
    }
  }

  /// Converts `count` elements at `source`, at any alignment, to f32; exact. Only for floats (`isFloat`).
  package func convert(
    _ source: UnsafeRawPointer, count: Int, into target: UnsafeMutablePointer<Float>
  ) {
    switch self {
    case .f32: UnsafeMutableRawPointer(target).copyMemory(from: source, byteCount: count * 4)
    case .bf16:
      for index in 0..<count {
        let half = source.loadUnaligned(fromByteOffset: index &* 2, as: UInt16.self)
        target[index] = Float(bitPattern: UInt32(half) << 16)
      }
    case .f16:
      for index in 0..<count {
        target[index] = floatFromHalf(
          source.loadUnaligned(fromByteOffset: index &* 2, as: UInt16.self))
      }
    case .i64, .other: preconditionFailure("only floats are weights")
    }
  }
}

/// Exact for every fp16 value; integer and multiply only, since a baseline x86 has no instruction for it.
@inline(__always)
private func floatFromHalf(_ half: UInt16) -> Float {
  let sign = UInt32(half & 0x8000) << 16
  let magnitude = UInt32(half & 0x7FFF)
  let isFinite = magnitude < 0x7C00
  let scaled = Float(bitPattern: magnitude << 13) * 0x1p112
  let bits = isFinite ? scaled.bitPattern : 0x7F80_0000 | (magnitude & 0x3FF) << 13
  return Float(bitPattern: bits | sign)
}
