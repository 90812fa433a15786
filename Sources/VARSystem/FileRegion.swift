/// A part of an open file that counts its bytes from its own beginning: a file inside another one, or the whole file.
package struct FileRegion: Sendable {
  let file: OpenFile
  /// The file as the caller named it.
  package let path: String
  /// The part, in bytes of the file.
  let range: Range<Int>

  package init(of file: OpenFile, path: String, _ range: Range<Int>) {
    self.file = file
    self.path = path
    self.range = range
  }

  package var byteCount: Int { range.count }

  /// What the system says about the whole file.
  package func status() throws(SystemError) -> FileStatus { try file.status() }

  /// Bytes of the file, by their place in the region.
  func absolute(_ part: Range<Int>) -> Range<Int> {
    precondition(part.lowerBound >= 0 && part.upperBound <= range.count, "beyond the region")
    return part.lowerBound + range.lowerBound..<part.upperBound + range.lowerBound
  }

  /// Fills `output` with the bytes from `offset` on; as `OpenFile.read`, places counted in the region.
  package func read(
    into output: UnsafeMutableRawBufferPointer, at offset: Int
  ) throws(SystemError) {
    // The region ends as a file does, whatever stands behind it.
    guard offset + output.count <= range.count else {
      throw SystemError(.read(at: range.count), 0)
    }
    do throws(SystemError) {
      try file.read(into: output, at: range.lowerBound + offset)
    } catch {
      throw relative(error)
    }
  }

  /// An error with its place in the region.
  func relative(_ error: SystemError) -> SystemError {
    guard case .read(let offset) = error.attempt else { return error }
    return SystemError(.read(at: offset - range.lowerBound), error.code)
  }
}
