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

  /// nil where the stream is not there, or has its place in slabs.
  subscript(tensor: Int, role: VQ4StreamRole) -> UnsafeRawPointer? {
    pointers[tensor * Self.roleCount + Int(role.rawValue)]
  }

  subscript(tensor: Int, role: VQ4StreamRole, slab slab: Int) -> UnsafeRawPointer? {
    slabStarts[tensor].flatMap { pointers[$0 + slab * Self.roleCount + Int(role.rawValue)] }
  }

  /// Enters a block whose pieces begin at `offsets` from `base`, or takes it out.
  func set(_ block: WeightBlock, base: UnsafeMutableRawPointer?, offsets: [Int]) {
    for (piece, offset) in zip(block.pieces, offsets) {
      var index = piece.tensor * Self.roleCount
      if case .slab(let tensor, let slab) = block.part, let start = slabStarts[tensor] {
        index = start + slab * Self.roleCount
      }
      pointers[index + Int(piece.role.rawValue)] =
        base.map { UnsafeRawPointer($0 + offset + piece.skippedBytes) }
    }
  }
}
