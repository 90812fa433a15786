import VARKernels
import VARSystem

/// What a run says, embeddings of pictures and logits, in a file of no name: written once in the order in which it
/// comes, read in the same order by each run that follows.
final class OutputSpool {
  private let file: OpenFile
  private var end = 0

  /// - Parameter folder: where the file lies.
  init(folder: String) throws(SystemError) { file = try OpenFile.temporary(in: folder) }

  func append(_ outputs: Rows) throws(SystemError) {
    let bytes = UnsafeRawBufferPointer(outputs.values)
    try file.write(bytes, at: end)
    end += bytes.count
  }

  /// Reads from the beginning.
  struct Reader {
    let spool: OutputSpool
    private var next = 0

    init(_ spool: OutputSpool) { self.spool = spool }

    mutating func read(_ count: Int) throws(SystemError) -> [Float] {
      let byteCount = count * MemoryLayout<Float>.stride
      precondition(next + byteCount <= spool.end, "no more outputs than were written")
      let bytes = try spool.file.bytes(at: next, count: byteCount)
      guard bytes.count == byteCount else { throw SystemError(.read(at: next + bytes.count), 0) }
      next += byteCount
      return bytes.withUnsafeBytes { Array($0.assumingMemoryBound(to: Float.self)) }
    }
  }
}
