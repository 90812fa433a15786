import VARQuantization
import VQ4Format

/// The memory of one chunk on its way from the reader through a worker to the writer; used again and again.
final class ChunkSlot: @unchecked Sendable {
  /// Bytes of the buffers, enough for every chunk of a conversion.
  struct Sizes: Equatable {
    var source = 0
    var codes = 0
    var scales = 0
    var superscales = 0
    var frame = 0

    var total: Int { source + codes + scales + superscales + frame }
  }

  /// The rows as they stand in the checkpoint.
  let source: UnsafeMutableRawBufferPointer
  let codes: UnsafeMutableRawBufferPointer
  let scales: UnsafeMutableRawBufferPointer
  let superscales: UnsafeMutableRawBufferPointer
  /// The codes compressed; empty where nothing is.
  let frame: UnsafeMutableRawBufferPointer

  init(_ sizes: Sizes) {
    func allocate(_ byteCount: Int) -> UnsafeMutableRawBufferPointer {
      UnsafeMutableRawBufferPointer.allocate(byteCount: max(byteCount, 64), alignment: 64)
    }
    source = allocate(sizes.source)
    codes = allocate(sizes.codes)
    scales = allocate(sizes.scales)
    superscales = allocate(sizes.superscales)
    frame = allocate(sizes.frame)
  }

  deinit {
    for buffer in [source, codes, scales, superscales, frame] { buffer.deallocate() }
  }
}

/// A chunk that a worker has encoded.
struct EncodedWeightChunk {
  let codes: VQ4EncodedChunk
  let scales: UnsafeRawBufferPointer
  let superscales: UnsafeRawBufferPointer
  let error: WeightError
}
