import VARSystem
import VQ4Format

/// The weights of a source, some of them replaced by others of the same shapes, stored in other ways perhaps.
///
/// Whoever replaces weights sees to it that nobody computes with them meanwhile.
package final class ReplacedWeights: WeightSource, TensorDirectory {
  /// Where all other weights come from.
  package let base: any WeightSource
  private var replacements: [Int: Replacement] = [:]

  /// A tensor in memory of its own.
  package struct Replacement {
    package let description: VQ4TensorDescription
    private let streams: [VQ4StreamRole: HeapMemory]

    /// - Parameter description: its streams are those that have bytes.
    /// - Throws: `SystemError` where the system has no memory.
    package init(_ description: VQ4TensorDescription) throws(SystemError) {
      self.description = description
      var streams: [VQ4StreamRole: HeapMemory] = [:]
      for role in VQ4StreamRole.allCases {
        streams[role] = try HeapMemory(byteCount: description.byteCount(of: role))
      }
      self.streams = streams
    }

    /// The bytes of a stream, to be filled before the tensor takes another one's place; none where the type has no such
    /// stream.
    package func bytes(_ role: VQ4StreamRole) -> UnsafeMutableRawBufferPointer {
      guard let memory = streams[role] else { preconditionFailure("a stream of every role") }
      return memory.bytes
    }
  }

  package init(_ base: any WeightSource) { self.base = base }

  /// Puts a tensor into the place of that of a number.
  package func replace(_ tensor: Int, by replacement: Replacement) {
    precondition(
      replacement.description.shape == base.directory.description(ofTensor: tensor).shape,
      "a tensor of the same shape")
    replacements[tensor] = replacement
  }

  /// Gives a tensor its place back.
  package func restore(_ tensor: Int) { replacements[tensor] = nil }

  /// Gives every tensor its place back.
  package func removeAll() { replacements = [:] }

  // MARK: Directory

  package var tensorCount: Int { base.directory.tensorCount }

  package func tensorIndex(named name: String) -> Int? { base.directory.tensorIndex(named: name) }

  package func description(ofTensor tensor: Int) -> VQ4TensorDescription {
    replacements[tensor]?.description ?? base.directory.description(ofTensor: tensor)
  }

  package func group(ofTensor tensor: Int) -> Int { base.directory.group(ofTensor: tensor) }

  // MARK: Source

  package var directory: any TensorDirectory { self }
  package var blocks: WeightBlocks? { base.blocks }

  package func begin(
    _ plan: WeightPlan, for request: WeightRequest, progress: (Int, Int) -> Void
  ) throws(ModelError) {
    try base.begin(plan, for: request, progress: progress)
  }

  package func end(_ request: WeightRequest) { base.end(request) }

  package func acquire(_ part: WeightPart, isCancelled: () -> Bool) throws(ModelError) {
    try base.acquire(part, isCancelled: isCancelled)
  }

  package func release(_ part: WeightPart) { base.release(part) }

  package func stream(_ tensor: Int, _ role: VQ4StreamRole, slab: Int?) -> UnsafeRawPointer {
    guard let replacement = replacements[tensor] else {
      return base.stream(tensor, role, slab: slab)
    }
    let rows = slab.flatMap { base.blocks?.slabRows(ofTensor: tensor)[$0] }
    let tile = (rows?.lowerBound ?? 0) / VQ4TensorDescription.tileRows
    return UnsafeRawPointer(replacement.bytes(role).baseAddress!)
      + tile * replacement.description.unitByteCount(of: role)
  }

  package func read(
    unit: Int, of tensor: Int, _ role: VQ4StreamRole, into output: UnsafeMutableRawBufferPointer
  ) throws(ModelError) {
    guard let replacement = replacements[tensor] else {
      return try base.read(unit: unit, of: tensor, role, into: output)
    }
    let start = replacement.bytes(role).baseAddress! + unit * output.count
    output.copyMemory(from: UnsafeRawBufferPointer(start: start, count: output.count))
  }
}
