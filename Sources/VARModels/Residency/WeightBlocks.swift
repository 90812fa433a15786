import VARSystem
import VQ4Format

/// A part's streams, decoded, one after the other in one piece of memory.
package struct WeightBlock: Sendable {
  /// A run of chunks of one stream.
  struct Piece: Sendable {
    let tensor: Int
    let role: VQ4StreamRole
    let chunks: Range<Int>
    /// Where the first chunk goes in the block, a multiple of 64.
    let offsetBytes: Int
    /// Decoded bytes of the chunks.
    let byteCount: Int
    /// Bytes at the beginning that belong to rows before the block's first one.
    let skippedBytes: Int
  }

  package let part: WeightPart
  let pieces: [Piece]
  /// Bytes of all pieces, each a multiple of 64.
  package let byteCount: Int
  /// Bytes in the file.
  package let storedBytes: Int

  /// Bytes that the block takes in memory of its own: whole pages.
  package var memoryBytes: Int { MemoryPages.roundedUp(byteCount) }
}

/// How a file's weights divide into blocks.
package struct WeightBlocks: Sendable {
  package let file: VQ4File
  private let blocks: [WeightPart: WeightBlock]
  /// The same without streams that are stored raw, which can be used in place.
  private let compressedBlocks: [WeightPart: WeightBlock]
  /// Of each tensor of the file; nil for one that no network knows.
  private let accesses: [TensorSpecification.Access?]
  /// Rows of each slab of the tensors that have some.
  private let slabs: [Int: [Range<Int>]]

  /// Codes of a slab: enough work for all threads, and little beside a layer.
  package static let defaultSlabCodeBytes = 32 << 20

  /// - Parameters:
  ///   - tensors: what the networks know of the file's tensors.
  ///   - slabCodeBytes: bytes of a slab's codes at most, but at least one tile; affects no result.
  package init(
    _ file: VQ4File, tensors: [TensorSpecification], slabCodeBytes: Int = Self.defaultSlabCodeBytes
  ) {
    self.file = file
    var accesses = [TensorSpecification.Access?](repeating: nil, count: file.tensors.count)
    for specification in tensors {
      guard let tensor = file.tensorIndex(named: specification.name) else { continue }
      accesses[tensor] = specification.access
    }
    var builders: (all: [WeightPart: BlockBuilder], compressed: [WeightPart: BlockBuilder]) =
      ([:], [:])
    var slabs: [Int: [Range<Int>]] = [:]
    for (tensor, entry) in file.tensors.enumerated() {
      func add(_ part: WeightPart, rows: Range<Int>) {
        for role in VQ4StreamRole.allCases where entry.description.byteCount(of: role) > 0 {
          builders.all[part, default: BlockBuilder()].add(file, tensor, role, rows: rows)
          guard file.rawFileRange(tensor, role) == nil else { continue }
          builders.compressed[part, default: BlockBuilder()].add(file, tensor, role, rows: rows)
        }
      }
      let wholeRows = 0..<entry.description.rows
      switch accesses[tensor] {
      case .byRow, nil: break
      case .withGroup: add(.group(entry.group), rows: wholeRows)
      case .apart: add(.apart(entry.group), rows: wholeRows)
      case .inSlabs, .inSlabsAndByRow:
        let ranges = Self.slabs(of: entry.description, codeBytes: slabCodeBytes)
        slabs[tensor] = ranges
        for (index, rows) in ranges.enumerated() {
          add(.slab(tensor: tensor, index: index), rows: rows)
        }
      }
    }
    blocks = builders.all.reduce(into: [:]) { $0[$1.key] = $1.value.block($1.key) }
    compressedBlocks = builders.compressed.reduce(into: [:]) { $0[$1.key] = $1.value.block($1.key) }
    self.accesses = accesses
    self.slabs = slabs
  }

  /// nil where the part has no streams here.
  package subscript(part: WeightPart) -> WeightBlock? { blocks[part] }

  /// What of a part cannot be used in place; nil where all of it can.
  package func compressed(_ part: WeightPart) -> WeightBlock? { compressedBlocks[part] }

  /// The parts that hold a tensor; none for one that is read by rows alone.
  func parts(ofTensor tensor: Int) -> [WeightPart] {
    switch accesses[tensor] {
    case .byRow, nil: []
    case .withGroup: [.group(file.tensors[tensor].group)]
    case .apart: [.apart(file.tensors[tensor].group)]
    case .inSlabs, .inSlabsAndByRow:
      slabRows(ofTensor: tensor).indices.map { .slab(tensor: tensor, index: $0) }
    }
  }

  /// The rows of each slab of a tensor that is read in slabs.
  func slabRows(ofTensor tensor: Int) -> [Range<Int>] { slabs[tensor] ?? [] }

  /// Tensors of which single rows are read.
  var tensorsByRow: [Int] { accesses.indices.filter { accesses[$0]?.isByRow == true } }

  /// Slabs begin with a chunk of codes where they are larger than one.
  private static func slabs(
    of tensor: VQ4TensorDescription, codeBytes: Int
  ) -> [Range<Int>] {
    let tileBytes = tensor.unitByteCount(of: .codes)
    let chunkTiles = tensor.chunkByteCount(of: .codes) / tileBytes
    var tiles = max(1, codeBytes / tileBytes)
    if tiles > chunkTiles { tiles -= tiles % chunkTiles }
    let rows = tiles * VQ4TensorDescription.tileRows
    return stride(from: 0, to: tensor.rows, by: rows).map { $0..<min($0 + rows, tensor.rows) }
  }
}

/// Collects the pieces of a block.
private struct BlockBuilder {
  private var pieces: [WeightBlock.Piece] = []
  private var byteCount = 0
  private var storedBytes = 0

  mutating func add(_ file: VQ4File, _ tensor: Int, _ role: VQ4StreamRole, rows: Range<Int>) {
    let description = file.tensors[tensor].description
    var bytes = 0..<description.byteCount(of: role)
    if description.layout == .tiles {
      let unit = description.unitByteCount(of: role)
      let tileRows = VQ4TensorDescription.tileRows
      bytes = rows.lowerBound / tileRows * unit..<(rows.upperBound + tileRows - 1) / tileRows * unit
    }
    let chunkBytes = description.chunkByteCount(of: role)
    let chunks = bytes.lowerBound / chunkBytes..<(bytes.upperBound + chunkBytes - 1) / chunkBytes
    let decoded = chunks.reduce(0) { $0 + file.chunkRange(tensor, role, $1).count }
    storedBytes += chunks.reduce(0) { $0 + file.chunkFileRange(tensor, role, $1).count }
    pieces.append(
      WeightBlock.Piece(
        tensor: tensor, role: role, chunks: chunks, offsetBytes: byteCount, byteCount: decoded,
        skippedBytes: bytes.lowerBound - chunks.lowerBound * chunkBytes))
    byteCount += (decoded + 63) / 64 * 64
  }

  func block(_ part: WeightPart) -> WeightBlock {
    WeightBlock(part: part, pieces: pieces, byteCount: byteCount, storedBytes: storedBytes)
  }
}

extension WeightBlocks {
  /// The streams of a part, and which of their bytes it holds.
  package func contents(
    of part: WeightPart
  ) -> [(tensor: Int, role: VQ4StreamRole, slab: Int?, bytes: Range<Int>)] {
    guard let block = blocks[part] else { return [] }
    return block.pieces.map { piece in
      let description = file.tensors[piece.tensor].description
      guard case .slab(let tensor, let slab) = part else {
        return (piece.tensor, piece.role, nil, 0..<description.byteCount(of: piece.role))
      }
      let rows = slabRows(ofTensor: tensor)[slab]
      let unit = description.unitByteCount(of: piece.role)
      let tileRows = VQ4TensorDescription.tileRows
      let tiles = rows.lowerBound / tileRows..<(rows.upperBound + tileRows - 1) / tileRows
      return (piece.tensor, piece.role, slab, tiles.lowerBound * unit..<tiles.upperBound * unit)
    }
  }
}
