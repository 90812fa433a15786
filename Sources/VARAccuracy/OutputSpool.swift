import VARKernels
import VARSystem

/// What a run says, embeddings of pictures and logits, in a part of a file: written once in the order in which it
/// comes, read in the same order by each run that follows.
package final class OutputSpool {
  let file: OpenFile
  /// Where it begins in the file.
  let start: Int
  private(set) var byteCount: Int

  /// An empty one in a file of no name.
  ///
  /// - Parameter folder: where the file lies.
  package init(folder: String) throws(SystemError) {
    file = try OpenFile.temporary(in: folder)
    (start, byteCount) = (0, 0)
  }

  /// One that stands in a file.
  init(_ file: OpenFile, _ range: Range<Int>) {
    self.file = file
    (start, byteCount) = (range.lowerBound, range.count)
  }

  func append<Value: BitwiseCopyable>(_ values: UnsafeBufferPointer<Value>) throws(SystemError) {
    let bytes = UnsafeRawBufferPointer(values)
    try file.write(bytes, at: start + byteCount)
    byteCount += bytes.count
  }

  func append<Value: BitwiseCopyable>(_ values: [Value]) throws(SystemError) {
    try values.withUnsafeBufferPointer { (values) throws(SystemError) in try append(values) }
  }

  func append(_ outputs: Rows) throws(SystemError) {
    try append(UnsafeBufferPointer(outputs.values))
  }

  /// Reads from the beginning.
  package struct Reader {
    let spool: OutputSpool
    private var next = 0

    package init(_ spool: OutputSpool) { self.spool = spool }

    /// Where in the file it reads next.
    var place: Int { spool.start + next }

    /// - Throws: `read` where there are no so many values left.
    mutating func read<Value: BitwiseCopyable>(
      _ count: Int, of type: Value.Type = Value.self
    ) throws(SystemError) -> [Value] {
      let byteCount = count * MemoryLayout<Value>.stride
      let place = place
      guard byteCount <= spool.byteCount - next else { throw SystemError(.read(at: place), 0) }
      let values: [Value] = try spool.file.values(at: place, count: count)
      next += byteCount
      return values
    }
  }
}
