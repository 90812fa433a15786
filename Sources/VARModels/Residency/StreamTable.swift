import VQ4Format

/// Where the decoded streams of a file are now. A stream is looked up without a lock: whoever may read it has acquired
/// its part, which orders the lookup after the entry.
final class StreamTable: @unchecked Sendable {
  private let pointers: UnsafeMutableBufferPointer<UnsafeRawPointer?>
  /// First entry of the tensors that are read in slabs.
  private let slabStarts: [Int: Int]

  private static let roleCount = VQ4StreamRole.allCases.count

  init(_ blocks: WeightBlocks) {
    var count = blocks.file.tensors.count * Self.roleCount
    var starts: [Int: Int] = [:]
    for tensor in blocks.file.tensors.indices {
      let slabs = blocks.slabRows(ofTensor: tensor).count
      guard slabs > 0 else { continue }
      starts[tensor] = count
      count += slabs * Self.roleCount
    }
    slabStarts = starts
    pointers = .allocate(capacity: count)
    pointers.initialize(repeating: nil)
  }

  deinit { pointers.deallocate() }

  /// nil where the stream, or that slab of it, is not there.
  subscript(tensor: Int, role: VQ4StreamRole, slab: Int?) -> UnsafeRawPointer? {
    pointers[index(tensor, role, slab)]
  }

  private func index(_ tensor: Int, _ role: VQ4StreamRole, _ slab: Int?) -> Int {
    let streams = slab.flatMap { slab in slabStarts[tensor].map { $0 + slab * Self.roleCount } }
    return (streams ?? tensor * Self.roleCount) + Int(role.rawValue)
  }

  /// Enters a block whose pieces begin at `offsets` from `base`, or takes it out.
  func set(_ block: WeightBlock, base: UnsafeMutableRawPointer?, offsets: [Int]) {
    for (piece, offset) in zip(block.pieces, offsets) {
      pointers[index(piece.tensor, piece.role, block.part.slab)] =
        base.map { UnsafeRawPointer($0 + offset + piece.skippedBytes) }
    }
  }
}
