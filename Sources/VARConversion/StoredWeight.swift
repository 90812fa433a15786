import VARQuantization
import VARSystem
import VQ4Format

/// A matrix or table of a file: its scales in memory, its codes read chunk by chunk, past the page cache.
struct StoredWeight: Sendable {
  let format: WeightFormat
  private let direct: VQ4DirectFile
  private let index: Int
  private let scales: [UInt8]
  private let superscales: [UInt8]

  init(_ direct: VQ4DirectFile, _ index: Int) throws {
    self.direct = direct
    self.index = index
    format = WeightFormat(direct.file.tensors[index].description)
    let reader = try StreamReader(direct)
    scales = try reader.bytes(.scales, of: index)
    superscales = try reader.bytes(.superscales, of: index)
  }

  var chunkCount: Int { direct.file.chunkCount(index, .codes) }

  /// The rows that a chunk of codes holds; of tiles, the last one's missing rows are left out.
  func rows(ofChunk chunk: Int) -> Range<Int> {
    let range = direct.file.chunkRange(index, .codes, chunk)
    let rowByteCount =
      format.byteCounts(rowCount: WeightFormat.unitRowCount).codes / WeightFormat.unitRowCount
    return range.lowerBound / rowByteCount..<min(format.rows, range.upperBound / rowByteCount)
  }

  /// Reads and decodes chunks. For one thread.
  final class Reader {
    private let weight: StoredWeight
    private let decoder: WeightDecoder
    private let reader: StreamReader
    private var codes: HeapMemory
    private var rows = 0..<0

    init(_ weight: StoredWeight) throws {
      self.weight = weight
      decoder = WeightDecoder(format: weight.format)
      reader = try StreamReader(weight.direct)
      codes = try HeapMemory.forConversion(0)
    }

    /// Codes at an end of their range, of all rows that were decoded.
    var saturatedCount: Int { decoder.saturatedCount }

    /// Brings the codes of a chunk into memory.
    func read(chunk: Int) throws {
      let byteCount = weight.direct.file.chunkRange(weight.index, .codes, chunk).count
      if byteCount > codes.bytes.count { codes = try HeapMemory.forConversion(byteCount) }
      let target = VQ4ChunkTarget(tensor: weight.index, role: .codes, chunk: chunk, offsetBytes: 0)
      try reader.chunks.read([target], into: codes.bytes.baseAddress!)
      rows = weight.rows(ofChunk: chunk)
    }

    /// Decodes `rowCount` rows of the chunk into `x[rowCount][cols]`: those of a unit at most, from its first on.
    func decode(_ first: Int, _ rowCount: Int, into x: UnsafeMutablePointer<Float>) {
      let format = weight.format
      let start = format.byteCounts(rowCount: first)
      let place = start.codes - format.byteCounts(rowCount: rows.lowerBound).codes
      weight.scales.withUnsafeBytes { scales in
        weight.superscales.withUnsafeBytes { superscales in
          decoder.decode(
            codes: codes.bytes.baseAddress! + place,
            scales: scales.baseAddress.map { $0 + start.scales },
            superscales: superscales.baseAddress.map { $0 + start.superscales },
            rowCount: rowCount, into: x)
        }
      }
    }
  }
}
