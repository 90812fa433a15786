import VARSystem

/// A part of a file as bytes in place: its own pages, mapped read-only, or a copy of them.
///
/// Sendable because nothing writes to the bytes after `init`.
final class FileView: @unchecked Sendable {
  /// The part of the file.
  let range: Range<Int>
  /// Its bytes.
  let bytes: UnsafeRawBufferPointer
  /// What holds the bytes: a mapping, memory of their own, or the copy of the whole file.
  private let owner: AnyObject

  /// Maps a part.
  ///
  /// - Throws: `cannotOpen`.
  init(mapping range: Range<Int>, of file: FileBytes) throws(VQ4Error) {
    self.range = range
    guard let region = file.region else {
      bytes = file.copy!.part(range.lowerBound, range.count)
      owner = file
      return
    }
    do throws(SystemError) {
      let mapping = try FileMapping(range, of: region)
      bytes = mapping.bytes
      owner = mapping
    } catch {
      throw Self.refusal("cannot be mapped", error)
    }
  }

  /// Reads a part into memory.
  init(reading range: Range<Int>, of file: FileBytes) throws(VQ4Error) {
    self.range = range
    guard let memory = AnonymousMemory(byteCount: range.count) else {
      throw Self.refusal(
        "no memory for \(VQ4Error.bytes(range.count))", SystemError(.map, SystemError.outOfMemory))
    }
    bytes = UnsafeRawBufferPointer(start: memory.base, count: range.count)
    owner = memory
    try file.read(
      into: UnsafeMutableRawBufferPointer(start: memory.base, count: range.count),
      at: range.lowerBound)
  }

  /// Bytes by their place in the file, which the caller has checked to lie in the part.
  func part(_ offset: Int, _ count: Int) -> UnsafeRawBufferPointer {
    bytes.part(offset - range.lowerBound, count)
  }

  private static func refusal(_ problem: String, _ error: SystemError) -> VQ4Error {
    VQ4Error(.cannotOpen, "\(problem): \(error.message)", remedy: .mapLess).caused(by: error.code)
  }
}
