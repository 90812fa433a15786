#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A `.vq4` file, mapped read-only.
///
/// Opening checks everything but the payload's hashes and maps the rest on demand; memory grows
/// with the tables only. Pointers that it hands out are valid as long as the file object lives.
/// Safe to use from several threads.
public final class VQ4File: Sendable {
  /// The file as the caller named it.
  public let path: String
  /// In the order of execution, which is the order in the file.
  public let groups: [VQ4Group]
  /// In the order of execution, which is the order in the file.
  public let tensors: [VQ4Tensor]
  /// Sorted by name.
  public let attachments: [VQ4Attachment]
  /// Bytes of the file.
  public let byteCount: Int
  /// Alignment of the groups, in bytes.
  public let groupAlignment: Int
  /// Version of the format, for example `1.0`.
  public let formatVersion: String
  /// The version that this code writes, and reads up to its major number.
  public static let writtenFormatVersion = "\(Format.majorVersion).\(Format.minorVersion)"

  let mapping: MappedFile
  let chunks: [VQ4Chunk]
  let superblock: Superblock
  private let tensorIndices: [String: Int]

  /// Opens a file; throws `VQ4Error` for anything that breaks a rule of the format.
  public convenience init(path: String) throws(VQ4Error) {
    do {
      try self.init(mapping: try MappedFile(path: path), path: path)
    } catch {
      throw error.inFile(path)
    }
  }

  /// Reads a file held in memory, copied.
  package convenience init(
    copying bytes: UnsafeRawBufferPointer, path: String
  ) throws(VQ4Error) {
    do {
      try self.init(mapping: try MappedFile(copying: bytes), path: path)
    } catch {
      throw error.inFile(path)
    }
  }

  private init(mapping: MappedFile, path: String) throws(VQ4Error) {
    let superblock = try Superblock(file: mapping.bytes)
    let directory = try DirectoryReader.read(mapping.bytes, superblock)
    self.path = path
    self.mapping = mapping
    self.superblock = superblock
    groups = directory.groups
    tensors = directory.tensors
    chunks = directory.chunks
    attachments = directory.attachments
    tensorIndices = directory.tensorIndices
    byteCount = superblock.fileBytes
    groupAlignment = 1 << superblock.pageShift
    formatVersion = "\(superblock.majorVersion).\(superblock.minorVersion)"
  }

  /// Index into `tensors`.
  public func tensorIndex(named name: String) -> Int? { tensorIndices[name] }

  /// Index into `groups`.
  public func groupIndex(named name: String) -> Int? { groups.firstIndex { $0.name == name } }

  /// 32 hexadecimal digits over the decoded streams, their descriptions and the attachments: equal
  /// for every storage layout of the same model.
  public var contentHash: String { superblock.contentHash.description }

  /// 32 hexadecimal digits that cover every byte of the file through its chain of hashes.
  public var fileHash: String {
    let bytes = superblock.encoded()
    return bytes.withUnsafeBytes { VQ4Hash(of: $0.part(0, Superblock.checksumOffset)) }.description
  }

  /// What is about to happen with a group's pages.
  public enum Advice: Sendable {
    /// The pages will be read soon.
    case willNeed
    /// The pages may leave this process's memory.
    case dontNeed
  }

  /// Passes advice on a group's byte range to the system; without effect on results.
  public func advise(group index: Int, _ advice: Advice) {
    let pageBytes = Int(sysconf(Int32(_SC_PAGESIZE)))
    let range = groups[index].fileRange
    let start = range.lowerBound & ~(pageBytes - 1)
    guard let base = mapping.bytes.baseAddress, groupAlignment >= pageBytes else { return }
    madvise(
      UnsafeMutableRawPointer(mutating: base + start), range.upperBound - start,
      advice == .willNeed ? MADV_WILLNEED : MADV_DONTNEED)
  }
}
