/// Compresses chunks of any codec; one per thread.
final class ChunkCompressor {
  private let encoder = ZstdEncoder()
  private var planes = PlaneRoom(byteCount: 0)

  /// The bytes written to `output`, or nil where they would not be fewer than `raw` or the codec is `raw`.
  func encode(
    _ raw: UnsafeRawBufferPointer, _ codec: VQ4Codec, into output: UnsafeMutableRawBufferPointer
  ) -> Int? {
    switch codec {
    case .raw: return nil
    case .zstd: return encoder.encode(raw, into: output)
    case .zstdPlanes:
      let planes = planes.prefix(raw.count)
      BytePlanes.split(raw, into: planes)
      return encoder.encode(UnsafeRawBufferPointer(planes), into: output)
    }
  }
}
