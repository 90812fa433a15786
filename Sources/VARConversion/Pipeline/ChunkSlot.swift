import VARQuantization
import VARSystem
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

  /// What the buffers are parts of.
  private let memory: HeapMemory

  /// - Throws: `notEnoughMemory`.
  init(_ sizes: Sizes) throws(ConversionError) {
    let byteCounts = [
      sizes.source, sizes.codes, sizes.scales, sizes.superscales, sizes.frame,
    ].map { (max($0, 1) + HeapMemory.alignment - 1) / HeapMemory.alignment * HeapMemory.alignment }
    let memory = try HeapMemory.forConversion(byteCounts.reduce(0, +))
    self.memory = memory
    func part(_ index: Int) -> UnsafeMutableRawBufferPointer {
      let start = byteCounts[..<index].reduce(0, +)
      let end = start + byteCounts[index]
      return UnsafeMutableRawBufferPointer(rebasing: memory.bytes[start..<end])
    }
    (source, codes, scales, superscales, frame) = (part(0), part(1), part(2), part(3), part(4))
  }
}

/// A chunk that a worker has encoded.
struct EncodedWeightChunk {
  let codes: VQ4EncodedChunk
  let scales: UnsafeRawBufferPointer
  let superscales: UnsafeRawBufferPointer
  let error: WeightError
}
