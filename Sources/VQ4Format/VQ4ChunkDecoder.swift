/// Decodes chunks of any codec; one per thread.
package final class VQ4ChunkDecoder {
  private let decoder = ZstdDecoder()
  private var planes: PlaneRoom
  /// Where stored bytes are read to that are nowhere else.
  var stored = AlignedBuffer(count: 0)

  /// Memory that a decoder takes besides planes.
  static let memoryBytes = ZstdDecoder.memoryBytes

  /// Takes room for planes when a chunk needs it.
  package convenience init() { self.init(planeBytes: 0) }

  /// - Parameter planeBytes: room for the planes of chunks of this size, taken at once.
  init(planeBytes: Int) { planes = PlaneRoom(byteCount: planeBytes) }

  /// Decodes a chunk that must fill `output` exactly.
  func decode(
    _ stored: UnsafeRawBufferPointer, _ codec: VQ4Codec,
    into output: UnsafeMutableRawBufferPointer
  ) throws(VQ4Error) {
    switch codec {
    case .raw: output.copyMemory(from: stored)
    case .zstd: try decoder.decode(stored, into: output)
    case .zstdPlanes:
      let planes = planes.prefix(output.count)
      try decoder.decode(stored, into: planes)
      BytePlanes.merge(UnsafeRawBufferPointer(planes), into: output)
    }
  }
}
