import VARSystem
import VQ4Format

/// A prefix on a disk:
///
///      8 bytes   "VARPRFX1"
///     16 bytes   hash of what the prefix is of: model, tokens, type of the cache, version of the numerics
///     16 bytes   hash of the content
///      8 bytes   size of the content, little-endian
///     16 bytes   hash of the 48 bytes before
///     content    all bytes of the prefix, as they lie in memory
///
/// Hashes are XXH3-128, low half first. A file is read for one prefix, whose hash and size are known beforehand:
/// nothing in it decides what is read where.
package enum PromptCacheFile {
  package static let mark = FileMark("VARPRFX1")
  private static let pieceByteCount = 1 << 20

  /// Fills `content` with what the file keeps under a key. Where that fails, nothing that is there may be used.
  ///
  /// - Throws: an error of the category `file` for a file that is not whole, or of something else.
  package static func read(
    _ path: String, key: VQ4Hash, into content: UnsafeMutableRawBufferPointer
  ) throws(VARLiteError) {
    func refused(_ what: String) -> VARLiteError {
      VARLiteError(.file, "\(path): the prompt cache \(what)")
    }
    // A pipe would make the reader wait.
    guard FileStatus(path)?.kind == .regular else { throw refused("is no file") }
    do throws(SystemError) {
      let file = try OpenFile(path, .reading)
      let header = try file.bytes(at: 0, count: Header.byteCount)
      guard header.starts(with: mark.bytes) else { throw SystemError(.examine, 0) }
      try file.read(into: content, at: Header.byteCount)
      let expected = Header(key: key, content: UnsafeRawBufferPointer(content))
      guard header == expected.bytes(mark.bytes),
        try file.status().byteCount == Header.byteCount + content.count
      else { throw SystemError(.examine, 0) }
    } catch {
      throw refused(
        error.attempt == .examine ? "is damaged, or of something else" : error.description)
    }
  }

  /// Replaces what stands at `path`, unless that is something else.
  ///
  /// - Throws: an error of the category `file`. No other file is left behind then.
  package static func write(
    _ content: UnsafeRawBufferPointer, key: VQ4Hash, to path: String
  ) throws(VARLiteError) {
    guard mark.canReplace(path) else {
      throw VARLiteError(.file, "\(path): is there and is no prompt cache; name another file")
    }
    let header = Header(key: key, content: content).bytes(mark.bytes)
    let pieces = FileContent(byteCount: header.count + content.count) {
      writer throws(SystemError) in
      try writer(header)
      for start in stride(from: 0, to: content.count, by: pieceByteCount) {
        try writer(Array(content[start..<min(start + pieceByteCount, content.count)]))
      }
    }
    do throws(SystemError) {
      try WholeFile.write(pieces, to: path)
    } catch {
      if case .rename(let partial?) = error.attempt { FileTree.remove(partial) }
      throw VARLiteError(.file, "\(path): the prompt cache \(error.description)")
    }
  }

  private struct Header {
    static let byteCount = 64

    let key, content: VQ4Hash
    let contentByteCount: Int

    init(key: VQ4Hash, content: UnsafeRawBufferPointer) {
      self.key = key
      self.content = VQ4Hash(of: content)
      contentByteCount = content.count
    }

    func bytes(_ mark: [UInt8]) -> [UInt8] {
      var bytes = mark
      func append(_ word: UInt64) {
        withUnsafeBytes(of: word.littleEndian) { bytes.append(contentsOf: $0) }
      }
      func append(_ hash: VQ4Hash) {
        append(hash.low)
        append(hash.high)
      }
      append(key)
      append(content)
      append(UInt64(contentByteCount))
      append(bytes.withUnsafeBytes { VQ4Hash(of: $0) })
      return bytes
    }
  }
}
