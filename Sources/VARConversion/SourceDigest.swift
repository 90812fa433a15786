import VARCheckpoint
import VQ4Format

/// Hashes a part of a shard while it is read: the hash of every 16 MiB of it.
///
/// A conversion reads the tensors in its own order, so that the hash of a shard is made of the hashes of its parts
/// (`formats/attachments.md`, provenance), and the checkpoint is read only once.
struct SourceDigest {
  /// Hashes of the pieces that are complete.
  private(set) var pieces: [VQ4Hash]
  private var hasher: StreamHasher
  private var pieceFill = 0

  static let pieceByteCount = 16 << 20

  /// - Parameter pieces: of an earlier run; what comes follows them.
  /// - Throws: `outOfMemory`.
  init(pieces: [VQ4Hash] = []) throws(VQ4Error) {
    self.pieces = pieces
    hasher = try StreamHasher()
  }

  /// Bytes that the complete pieces hold.
  var completeByteCount: Int { pieces.count * Self.pieceByteCount }

  mutating func update(_ bytes: UnsafeRawBufferPointer) throws(VQ4Error) {
    var rest = bytes
    while !rest.isEmpty {
      let count = min(rest.count, Self.pieceByteCount - pieceFill)
      hasher.update(UnsafeRawBufferPointer(rebasing: rest[..<count]))
      rest = UnsafeRawBufferPointer(rebasing: rest[count...])
      pieceFill += count
      if pieceFill == Self.pieceByteCount { try endPiece() }
    }
  }

  /// Ends the last piece, which may be shorter.
  mutating func finish() throws(VQ4Error) {
    if pieceFill > 0 { try endPiece() }
  }

  private mutating func endPiece() throws(VQ4Error) {
    pieces.append(hasher.value)
    hasher = try StreamHasher()
    pieceFill = 0
  }
}

extension CheckpointShard {
  /// The hash of the shard, made of those of its header and of its tensors.
  ///
  /// - Parameter pieces: of each tensor, by name.
  func digest(pieces: [String: [VQ4Hash]]) throws -> VQ4Hash {
    var digest = try SourceDigest()
    try header().withUnsafeBytes { try digest.update($0) }
    try digest.finish()
    var encoder = ByteEncoder()
    for piece in digest.pieces { encoder.append(piece) }
    for tensor in tensors {
      for piece in pieces[tensor.name] ?? [] { encoder.append(piece) }
    }
    return encoder.bytes.withUnsafeBytes { VQ4Hash(of: $0) }
  }
}
