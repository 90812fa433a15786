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
}

/// A tensor in a mapped shard: row-major, little-endian.
public struct CheckpointTensor: Sendable {
  public let name: String
  public let elementType: CheckpointElementType
  public let shape: [Int]
  let file: MappedFile
  let offsetBytes: Int

  /// The shard that holds the tensor.
  public var path: String { file.path }
  public var elementCount: Int { shape.reduce(1, *) }

  /// Calls `body` with the tensor's bytes as they stand in the shard, at any alignment.
  public func withBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows
    -> Result
  {
    let byteCount = elementCount * elementType.byteCount
    return try withExtendedLifetime(file) {
      try body(UnsafeRawBufferPointer(rebasing: file.bytes[offsetBytes..<offsetBytes + byteCount]))
    }
  }

  /// Converts the elements from `first` on to f32 and fills `output` with them.
  ///
  /// The range must lie inside the tensor, and the tensor must not be `i64`.
  public func read(from first: Int, into output: UnsafeMutableBufferPointer<Float>) {
    precondition(first >= 0 && output.count <= elementCount - first, "range outside the tensor")
    withBytes { bytes in
      let source = bytes.baseAddress.map { $0 + first * elementType.byteCount }
      guard let source, let target = output.baseAddress else { return }
      switch elementType {
      case .f32:
        UnsafeMutableRawPointer(target).copyMemory(from: source, byteCount: output.count * 4)
      case .bf16:
        for index in 0..<output.count {
          let half = source.loadUnaligned(fromByteOffset: index &* 2, as: UInt16.self)
          target[index] = Float(bitPattern: UInt32(half) << 16)
        }
      case .f16:
        for index in 0..<output.count {
          target[index] = floatFromHalf(
            source.loadUnaligned(fromByteOffset: index &* 2, as: UInt16.self))
        }
      case .i64: preconditionFailure("integers are not weights")
      }
    }
  }

  /// The elements as f32.
  public func floats() -> [Float] {
    [Float](unsafeUninitializedCapacity: elementCount) { buffer, count in
      count = elementCount
      read(from: 0, into: UnsafeMutableBufferPointer(rebasing: buffer[..<count]))
    }
  }

  /// Asks the system to read `count` elements from `first` on ahead of their use; less where the tensor ends.
  public func prefetch(from first: Int, count: Int) {
    withBytes { file.prefetch(part($0, first, count)) }
  }

  /// Gives the pages of `count` elements from `first` on back to the system; they are read again when needed.
  public func discard(from first: Int, count: Int) {
    withBytes { file.discard(part($0, first, count)) }
  }

  /// Gives all pages back.
  public func discard() { discard(from: 0, count: elementCount) }

  private func part(
    _ bytes: UnsafeRawBufferPointer, _ first: Int, _ count: Int
  ) -> UnsafeRawBufferPointer {
    let start = min(max(first, 0), elementCount)
    let end = start + min(max(count, 0), elementCount - start)
    let width = elementType.byteCount
    return UnsafeRawBufferPointer(rebasing: bytes[start * width..<end * width])
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
