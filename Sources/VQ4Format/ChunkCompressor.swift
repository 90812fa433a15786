/// Compresses chunks of any codec; one per thread.
final class ChunkCompressor {
  private let encoder = ZstdEncoder()
  private var planes = PlaneRoom()

  /// The bytes written to `output`, or nil where they would not be fewer than `raw` or the codec is `raw`.
  func encode(
    _ raw: UnsafeRawBufferPointer, _ codec: VQ4Codec, into output: UnsafeMutableRawBufferPointer
  ) throws(VQ4Error) -> Int? {
    switch codec {
    case .raw: return nil
    case .zstd: return try encoder.encode(raw, into: output)
    case .zstdPlanes:
      let planes = try planes.prefix(raw.count)
      BytePlanes.split(raw, into: planes)
      return try encoder.encode(UnsafeRawBufferPointer(planes), into: output)
    }
  }
}
