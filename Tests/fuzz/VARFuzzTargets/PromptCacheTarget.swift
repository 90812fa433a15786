import VARLite
import VARTestSupport
import VQ4Format

extension FuzzTarget {
  /// What a file keeps of a prompt, under a key and of a size that are known.
  static let promptCache = FuzzTarget(
    "prompt-cache",
    files: { [FuzzFile("system.cache", $0)] },
    read: { input in
      try FuzzFolder.with([FuzzFile("system.cache", input)]) { folder in
        let path = folder.path("system.cache")
        var content = [UInt8](repeating: 0, count: promptCacheBytes)
        let result = content.withUnsafeMutableBytes { content in
          Result { () throws(VARLiteError) in
            try PromptCacheFile.read(path, key: promptCacheKey, into: content)
          }
        }
        try result.get()
        guard writtenPromptCache(content) == input else {
          preconditionFailure("a prompt cache is not what was written")
        }
      }
    },
    change: { sealed($0, &$1, header: 64, contentHash: 24) })

  private static let promptCacheKey = VQ4Hash(high: 7, low: 5)
  private static let promptCacheBytes = 96

  static let smallPromptCache = writtenPromptCache((0..<96).map { UInt8($0) })

  private static func writtenPromptCache(_ content: [UInt8]) -> [UInt8] {
    let folder = TemporaryDirectory()
    let path = folder.file("system.cache")
    content.withUnsafeBytes { try? PromptCacheFile.write($0, key: promptCacheKey, to: path) }
    return (try? Fixtures.readFile(path)) ?? []
  }

  /// Another input whose hashes agree, but for a few.
  ///
  /// - Parameters:
  ///   - header: bytes of the header, which ends with the hash of all before that.
  ///   - contentHash: where it has the hash of what stands behind it.
  static func sealed(
    _ input: [UInt8], _ change: inout FuzzChange, header: Int, contentHash: Int
  ) -> [UInt8] {
    var bytes = change.mutate(input, change.capacity)
    guard bytes.count > header, !change.happens(onceIn: 16) else { return bytes }
    seal(&bytes, header..<bytes.count, at: contentHash)
    seal(&bytes, 0..<header - 16, at: header - 16)
    return bytes
  }

  private static func seal(_ bytes: inout [UInt8], _ range: Range<Int>, at place: Int) {
    let hash = bytes[range].withUnsafeBytes { VQ4Hash(of: $0) }
    bytes.set(hash.low, at: place, size: 8)
    bytes.set(hash.high, at: place + 8, size: 8)
  }
}
