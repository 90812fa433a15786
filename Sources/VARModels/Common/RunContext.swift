import VARKernels

/// Receives the intermediate tensors of a run.
package protocol TraceSink: AnyObject {
  func record(_ name: String, shape: [Int], floats: UnsafePointer<Float>)
}

/// What every forward pass of one request shares.
package struct RunContext {
  package let compute: Compute
  package let trace: (any TraceSink)?
  /// Asked before every layer.
  package let isCancelled: () -> Bool

  package init(
    compute: Compute, trace: (any TraceSink)? = nil, isCancelled: @escaping () -> Bool = { false }
  ) {
    self.compute = compute
    self.trace = trace
    self.isCancelled = isCancelled
  }

  func checkCancellation() throws(ModelError) {
    if isCancelled() { throw ModelError.cancelled }
  }
}

/// `0..<count` in blocks of at most `size`. A type of its own: a lazy map would allocate in every layer.
struct RowBlocks: Sequence, IteratorProtocol {
  private let count: Int
  private let size: Int
  private var first = 0

  init(_ count: Int, of size: Int = Compute.maximumBlockRows) {
    self.count = count
    self.size = size
  }

  mutating func next() -> Range<Int>? {
    guard first < count else { return nil }
    let block = first..<Swift.min(first + size, count)
    first = block.upperBound
    return block
  }
}
