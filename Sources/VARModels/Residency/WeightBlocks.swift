import VARSystem
import VQ4Format

/// A part's streams, decoded, one after the other in one piece of memory.
package struct WeightBlock: Sendable {
  /// A run of chunks of one stream.
  struct Piece: Sendable {
    let tensor: Int
    let role: VQ4StreamRole
    /// Bytes of the decoded stream that the part has.
    let bytes: Range<Int>
    /// The chunks that hold them, with their places in the piece.
    let chunks: [VQ4ChunkTarget]
    /// Decoded bytes of the chunks.
    let byteCount: Int
    /// Where the chunks begin in the file, and the bytes that they take there.
    let fileOffset, storedBytes: Int
    /// Bytes at the beginning that belong to rows before the part's first one.
    let skippedBytes: Int
    /// Whether the stream is stored raw, so that it can be used in place.
    let isRaw: Bool

    /// Bytes that it takes in memory: a multiple of 64.
    var placeBytes: Int { (byteCount + 63) / 64 * 64 }
  }

  package let part: WeightPart
  let pieces: [Piece]
  /// Where each piece begins in memory of the block's own.
  let offsets: [Int]
  /// Bytes of all pieces' places.
  package let byteCount: Int
  /// Where it begins in the file, and the bytes that it takes there.
  let fileOffset: Int
  package let storedBytes: Int

  fileprivate init(_ part: WeightPart, _ pieces: [Piece]) {
    self.part = part
    self.pieces = pieces
    var byteCount = 0
    offsets = pieces.map { piece in
      defer { byteCount += piece.placeBytes }
      return byteCount
    }
    self.byteCount = byteCount
    fileOffset = pieces.first?.fileOffset ?? 0
    storedBytes = pieces.reduce(0) { $0 + $1.storedBytes }
  }

  /// Bytes that the block takes in memory of its own: whole pages.
  package var memoryBytes: Int { MemoryPages.roundedUp(byteCount) }
}

/// How a file's weights divide into blocks.
package struct WeightBlocks: Sendable {
  package let file: VQ4File
  private var blocks: [WeightPart: WeightBlock] = [:]
  /// The same without streams that are stored raw, which can be used in place.
  private var compressedBlocks: [WeightPart: WeightBlock] = [:]
  /// The parts that hold each tensor; none for one that is read by rows alone.
  private(set) var parts: [[WeightPart]]
  /// Tensors of which single rows are read.
  private(set) var tensorsByRow: [Int] = []
  /// Rows of each slab of the tensors that have some.
  private var slabs: [Int: [Range<Int>]] = [:]

  /// Codes of a slab: enough work for all threads, and little beside a layer.
  package static let defaultSlabCodeBytes = 32 << 20

  /// - Parameters:
  ///   - tensors: what the networks know of the file's tensors.
  ///   - slabCodeBytes: bytes of a slab's codes at most, but at least one tile; affects no result.
  package init(
    _ file: VQ4File, tensors: [TensorSpecification], slabCodeBytes: Int = Self.defaultSlabCodeBytes
  ) {
    self.file = file
    parts = Array(repeating: [], count: file.tensors.count)
    for specification in tensors {
      guard let tensor = file.tensorIndex(named: specification.name) else { continue }
      let entry = file.tensors[tensor]
      if specification.access.isByRow { tensorsByRow.append(tensor) }
      switch specification.access {
      case .byRow: break
      case .withGroup: parts[tensor] = [.group(entry.group)]
      case .apart: parts[tensor] = [.apart(entry.group)]
      case .inSlabs, .inSlabsAndByRow:
        let slabs = Self.slabs(of: entry.description, codeBytes: slabCodeBytes)
        self.slabs[tensor] = slabs
        parts[tensor] = slabs.indices.map { .slab(tensor: tensor, index: $0) }
      }
    }
    var pieces: [WeightPart: [WeightBlock.Piece]] = [:]
    for (tensor, entry) in file.tensors.enumerated() {
      for part in parts[tensor] {
        let rows = part.slab.map { slabRows(ofTensor: tensor)[$0] } ?? 0..<entry.description.rows
        for role in VQ4StreamRole.allCases where entry.description.byteCount(of: role) > 0 {
          pieces[part, default: []].append(WeightBlock.Piece(file, tensor, role, rows: rows))
        }
      }
    }
    for (part, pieces) in pieces {
      blocks[part] = WeightBlock(part, pieces)
      let compressed = pieces.filter { !$0.isRaw }
      if !compressed.isEmpty { compressedBlocks[part] = WeightBlock(part, compressed) }
    }
  }

  /// nil where the part has no streams here.
  package subscript(part: WeightPart) -> WeightBlock? { blocks[part] }

  /// Those that must be decoded into memory, without what is used in the mapped file.
  func decoded(_ residency: WeightResidency) -> WeightBlocks {
    var decoded = self
    if residency == .map { decoded.blocks = compressedBlocks }
    return decoded
  }

  /// Memory that parts take.
  func memoryBytes(_ parts: some Sequence<WeightPart>) -> Int {
    parts.reduce(0) { $0 + (blocks[$1]?.memoryBytes ?? 0) }
  }

  /// Bytes that parts take in the file.
  func storedBytes(_ parts: some Sequence<WeightPart>) -> Int {
    parts.reduce(0) { $0 + (blocks[$1]?.storedBytes ?? 0) }
  }

  /// The rows of each slab of a tensor that is read in slabs.
  func slabRows(ofTensor tensor: Int) -> [Range<Int>] { slabs[tensor] ?? [] }

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

extension WeightBlock.Piece {
  /// Some rows of a stream that is in tiles, or the whole of another one.
  fileprivate init(_ file: VQ4File, _ tensor: Int, _ role: VQ4StreamRole, rows: Range<Int>) {
    let description = file.tensors[tensor].description
    var bytes = 0..<description.byteCount(of: role)
    if description.layout == .tiles {
      let unit = description.unitByteCount(of: role)
      let tileRows = VQ4TensorDescription.tileRows
      bytes = rows.lowerBound / tileRows * unit..<(rows.upperBound + tileRows - 1) / tileRows * unit
    }
    let chunkBytes = description.chunkByteCount(of: role)
    let chunks = bytes.lowerBound / chunkBytes..<(bytes.upperBound + chunkBytes - 1) / chunkBytes
    let start = chunks.lowerBound * chunkBytes
    self.init(
      tensor: tensor, role: role, bytes: bytes,
      chunks: chunks.map {
        VQ4ChunkTarget(
          tensor: tensor, role: role, chunk: $0, offsetBytes: $0 * chunkBytes - start)
      },
      byteCount: chunks.reduce(0) { $0 + file.chunkRange(tensor, role, $1).count },
      fileOffset: file.chunkFileRange(tensor, role, chunks.lowerBound).lowerBound,
      storedBytes: chunks.reduce(0) { $0 + file.chunkFileRange(tensor, role, $1).count },
      skippedBytes: bytes.lowerBound - start, isRaw: file.rawFileRange(tensor, role) != nil)
  }
}

extension WeightBlocks {
  /// The streams of a part, and which of their bytes it holds.
  package func contents(
    of part: WeightPart
  ) -> [(tensor: Int, role: VQ4StreamRole, slab: Int?, bytes: Range<Int>)] {
    blocks[part]?.pieces.map { ($0.tensor, $0.role, part.slab, $0.bytes) } ?? []
  }
}
