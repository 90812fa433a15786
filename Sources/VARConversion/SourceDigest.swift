import VARCheckpoint
import VQ4Format

/// Hashes a part of a shard while it is read: the hash of every 16 MiB of it.
///
/// A conversion reads the tensors in its own order, so that the hash of a shard is made of the hashes of its parts
/// (`formats/attachments.md`, provenance), and the checkpoint is read only once.
struct SourceDigest {
  /// Hashes of the pieces that are complete.
  private(set) var pieces: [VQ4Hash]
  private var hasher = StreamHasher()
  private var pieceFill = 0

  static let pieceByteCount = 16 << 20

  /// - Parameter pieces: of an earlier run; what comes follows them.
  init(pieces: [VQ4Hash] = []) { self.pieces = pieces }

  /// Bytes that the complete pieces hold.
  var completeByteCount: Int { pieces.count * Self.pieceByteCount }

  mutating func update(_ bytes: UnsafeRawBufferPointer) {
    var rest = bytes
    while !rest.isEmpty {
      let count = min(rest.count, Self.pieceByteCount - pieceFill)
      hasher.update(UnsafeRawBufferPointer(rebasing: rest[..<count]))
      rest = UnsafeRawBufferPointer(rebasing: rest[count...])
      pieceFill += count
      if pieceFill == Self.pieceByteCount { endPiece() }
    }
  }

  /// Ends the last piece, which may be shorter.
  mutating func finish() {
    if pieceFill > 0 { endPiece() }
  }

  private mutating func endPiece() {
    pieces.append(hasher.value)
    hasher = StreamHasher()
    pieceFill = 0
  }
}

extension CheckpointShard {
  /// The hash of the shard, made of those of its header and of its tensors.
  ///
  /// - Parameter pieces: of each tensor, by name.
  func digest(pieces: [String: [VQ4Hash]]) throws(CheckpointError) -> VQ4Hash {
    var digest = SourceDigest()
    try header().withUnsafeBytes { digest.update($0) }
    digest.finish()
    var encoder = ByteEncoder()
    for piece in digest.pieces { encoder.append(piece) }
    for tensor in tensors {
      for piece in pieces[tensor.name] ?? [] { encoder.append(piece) }
    }
    return encoder.bytes.withUnsafeBytes { VQ4Hash(of: $0) }
  }
}
