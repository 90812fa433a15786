#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Descriptors that are read and written from where they are: pipes, terminals, files of which all is wanted.
package enum Descriptor {
  /// Writes all bytes.
  package static func write(_ bytes: [UInt8], to descriptor: Int32) throws(SystemError) {
    var done = 0
    while done < bytes.count {
      let count = bytes.withUnsafeBytes {
        send(descriptor, $0.baseAddress! + done, $0.count - done)
      }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw SystemError(.write) }
      done += count
    }
  }

  /// All bytes up to the end; nil where they are more than `maximumCount`.
  ///
  /// - Parameter expectedCount: how many may come.
  static func read(
    _ descriptor: Int32, atMost maximumCount: Int, expectedCount: Int
  ) throws(SystemError) -> [UInt8]? {
    var bytes: [UInt8] = []
    let capacity = min(max(0, expectedCount), maximumCount) + 1
    try HeapMemory.require(capacity)
    bytes.reserveCapacity(capacity)
    var block = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = block.withUnsafeMutableBytes { receive(descriptor, $0.baseAddress!, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw SystemError(.read(at: bytes.count)) }
      guard count > 0 else { return bytes }
      guard bytes.count + count <= maximumCount else { return nil }
      bytes.append(contentsOf: block[..<count])
    }
  }
}

/// The functions of the C library that have the names of those above.
private func send(_ descriptor: Int32, _ bytes: UnsafeRawPointer, _ count: Int) -> Int {
  write(descriptor, bytes, count)
}

private func receive(_ descriptor: Int32, _ bytes: UnsafeMutableRawPointer, _ count: Int) -> Int {
  read(descriptor, bytes, count)
}
