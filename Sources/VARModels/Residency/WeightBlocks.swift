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
  /// What a tensor belongs to.
  enum Kind: Sendable { case group, apart, slabs, table }

  package let file: VQ4File
  let slabCodeBytes: Int
  private let blocks: [WeightPart: WeightBlock]
  /// Rows of each slab of the tensors that have some.
  private let slabs: [Int: [Range<Int>]]

  /// Codes of a slab: enough work for all threads, and little beside a layer.
  package static let defaultSlabCodeBytes = 32 << 20

  /// - Parameters:
  ///   - slabCodeBytes: bytes of a slab's codes at most, but at least one tile; affects no result.
  ///   - isCompressedOnly: streams that are stored raw are left out.
  package init(
    _ file: VQ4File, slabCodeBytes: Int = Self.defaultSlabCodeBytes,
    isCompressedOnly: Bool = false
  ) {
    self.file = file
    self.slabCodeBytes = slabCodeBytes
    var builders: [WeightPart: BlockBuilder] = [:]
    var slabs: [Int: [Range<Int>]] = [:]
    for (tensor, entry) in file.tensors.enumerated() {
      let wholeRows = 0..<entry.description.rows
      func add(_ part: WeightPart, rows: Range<Int>) {
        for role in VQ4StreamRole.allCases {
          guard entry.description.byteCount(of: role) > 0 else { continue }
          if isCompressedOnly, file.rawFileRange(tensor, role) != nil { continue }
          builders[part, default: BlockBuilder()].add(file, tensor, role, rows: rows)
        }
      }
      switch Self.kind(of: entry.description) {
      case .table: break
      case .group: add(.group(entry.group), rows: wholeRows)
      case .apart: add(.apart(entry.group), rows: wholeRows)
      case .slabs:
        let ranges = Self.slabs(of: entry.description, codeBytes: slabCodeBytes)
        slabs[tensor] = ranges
        for (index, rows) in ranges.enumerated() {
          add(.slab(tensor: tensor, index: index), rows: rows)
        }
      }
    }
    blocks = builders.reduce(into: [:]) { $0[$1.key] = $1.value.block($1.key) }
    self.slabs = slabs
  }

  /// nil where the part has no streams here.
  package subscript(part: WeightPart) -> WeightBlock? { blocks[part] }

  func kind(ofTensor tensor: Int) -> Kind { Self.kind(of: file.tensors[tensor].description) }

  /// The parts that hold a tensor; none for a table.
  func parts(ofTensor tensor: Int) -> [WeightPart] {
    switch kind(ofTensor: tensor) {
    case .table: []
    case .group: [.group(file.tensors[tensor].group)]
    case .apart: [.apart(file.tensors[tensor].group)]
    case .slabs: slabRows(ofTensor: tensor).indices.map { .slab(tensor: tensor, index: $0) }
    }
  }

  /// The rows of each slab of a tensor that is read in slabs.
  func slabRows(ofTensor tensor: Int) -> [Range<Int>] { slabs[tensor] ?? [] }

  /// The head, also where it is the embedding, is by far the largest matrix, and no other weights are needed with it.
  /// The keys and values of the text features are computed once per picture, while the rest of a block is read once
  /// per scale.
  private static func kind(of tensor: VQ4TensorDescription) -> Kind {
    if tensor.layout == .table { return .table }
    if tensor.name.contains(".ca.mat_kv.") { return .apart }
    let isHead = tensor.name == "lm_head.weight" || tensor.name == "model.embed_tokens.weight"
    return isHead ? .slabs : .group
  }

  /// Whether single rows of a tensor are read, without the rest.
  static func isReadByRow(_ tensor: VQ4TensorDescription) -> Bool {
    tensor.layout == .table || tensor.name == "model.embed_tokens.weight"
  }

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
