/// Decodes chunks of any codec; one per thread.
package final class VQ4ChunkDecoder {
  private let decoder = ZstdDecoder()
  private var planes = PlaneRoom()
  /// Where stored bytes are read to that are nowhere else.
  var stored = AlignedBuffer()

  /// Memory that a decoder takes besides planes.
  static let memoryBytes = ZstdDecoder.memoryBytes

  /// Takes memory when a chunk needs it.
  package init() {}

  /// Decodes a chunk that must fill `output` exactly.
  func decode(
    _ stored: UnsafeRawBufferPointer, _ codec: VQ4Codec,
    into output: UnsafeMutableRawBufferPointer
  ) throws(VQ4Error) {
    switch codec {
    case .raw: output.copyMemory(from: stored)
    case .zstd: try decoder.decode(stored, into: output)
    case .zstdPlanes:
      let planes = try planes.prefix(output.count)
      try decoder.decode(stored, into: planes)
      BytePlanes.merge(UnsafeRawBufferPointer(planes), into: output)
    }
  }
}
