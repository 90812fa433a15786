import VQ4Format

/// Who reads weights: one request, from its first phase to its end.
package struct WeightRequest {
  /// Differs from that of every other request of the source that has not ended.
  package let id: Int
  /// Asked while a phase waits for weights.
  package let isCancelled: () -> Bool

  package init(id: Int, isCancelled: @escaping () -> Bool = { false }) {
    self.id = id
    self.isCancelled = isCancelled
  }
}

/// Where forward passes take their weights from.
///
/// Streams of a tensor may be read only between `acquire` and `release` of its part, so that a source is free to keep
/// weights mapped, loaded, or streamed through a small buffer.
package protocol WeightSource: AnyObject {
  var directory: any TensorDirectory { get }
  /// How the weights divide into parts; nil where the source holds whole groups, and knows no phases.
  var blocks: WeightBlocks? { get }

  /// Says that from now on a request reads what the plan's pass holds, and nothing else, and where those weights are
  /// meanwhile. Other weights may be given back.
  ///
  /// - Parameter progress: called on this thread with the bytes read and the bytes to read, where a source reads them
  ///   before it returns.
  /// - Throws: `ModelError` with `outOfMemory` where the plan does not fit, `cancelled`, `unreadableWeights`.
  func begin(
    _ plan: WeightPlan, for request: WeightRequest, progress: (_ done: Int, _ total: Int) -> Void
  ) throws(ModelError)
  /// Says that a request reads nothing any more.
  func end(_ request: WeightRequest)

  /// - Parameter isCancelled: asked while it waits.
  func acquire(_ part: WeightPart, isCancelled: () -> Bool) throws(ModelError)
  func release(_ part: WeightPart)
  /// The decoded stream; its part must be acquired.
  ///
  /// - Parameter slab: gives the stream from that slab's first tile on; a source that holds whole groups, where there
  ///   are none, is asked for nil.
  func stream(_ tensor: Int, _ role: VQ4StreamRole, slab: Int?) -> UnsafeRawPointer
  /// Copies one unit of a stream, a row of a table or a tile of a matrix, whose group is acquired.
  func read(
    unit: Int, of tensor: Int, _ role: VQ4StreamRole, into output: UnsafeMutableRawBufferPointer
  ) throws(ModelError)
}

extension WeightSource {
  package func acquire(_ part: WeightPart) throws(ModelError) {
    try acquire(part, isCancelled: { false })
  }

  package func stream(_ tensor: Int, _ role: VQ4StreamRole) -> UnsafeRawPointer {
    stream(tensor, role, slab: nil)
  }
}

// A source that holds whole groups.
extension WeightSource {
  package var blocks: WeightBlocks? { nil }

  package func begin(
    _ plan: WeightPlan, for request: WeightRequest, progress: (Int, Int) -> Void
  ) throws(ModelError) {}

  package func end(_ request: WeightRequest) {}

  package func read(
    unit: Int, of tensor: Int, _ role: VQ4StreamRole, into output: UnsafeMutableRawBufferPointer
  ) throws(ModelError) {
    let start = stream(tensor, role) + unit * output.count
    output.copyMemory(from: UnsafeRawBufferPointer(start: start, count: output.count))
  }
}
