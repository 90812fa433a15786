/// The element types that checkpoints of this model family hold.
public enum CheckpointElementType: String, Sendable {
  case bf16 = "BF16"
  case f16 = "F16"
  case f32 = "F32"
  case i64 = "I64"

  /// Bytes per element.
  public var byteCount: Int {
    switch self {
    case .bf16, .f16: 2
    case .f32: 4
    case .i64: 8
    }
  }

  /// Converts `count` elements at `source`, at any alignment, to f32; exact. The type must not be `i64`.
  public func convert(
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
    case .i64: preconditionFailure("integers are not weights")
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
