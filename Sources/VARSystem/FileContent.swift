/// The bytes of a file that are made or read one piece after another, so that they need not be in memory together.
package struct FileContent {
  package typealias Writer = ([UInt8]) throws(SystemError) -> Void

  /// Bytes of all pieces.
  package let byteCount: Int
  /// Calls its argument with each piece; may be asked several times, and gives the same pieces.
  package let write: (Writer) throws(SystemError) -> Void

  package init(
    byteCount: Int, write: @escaping (Writer) throws(SystemError) -> Void
  ) {
    self.byteCount = byteCount
    self.write = write
  }

  /// One piece.
  package init(_ bytes: [UInt8]) {
    self.init(byteCount: bytes.count) { writer throws(SystemError) in try writer(bytes) }
  }
}
