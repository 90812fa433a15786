import Synchronization
import VARSystem

/// A `.vq4` file, open for reading.
///
/// It may be a region of a larger file: every place counts from the model's first byte.
///
/// Opening checks everything but the payload's hashes, and opens all that is needed later: no name is
/// looked up again. The tables and attachments are mapped where
/// the file system can do that, else read; weights are mapped when they are first used in place.
/// Pointers that it hands out are valid as long as the file object lives. Safe to use from several
/// threads.
package final class VQ4File: Sendable {
  /// The file as the caller named it, also where it holds more than the model.
  package let path: String
  /// In the order of execution, which is the order in the file.
  package let groups: [VQ4Group]
  /// In the order of execution, which is the order in the file.
  package let tensors: [VQ4Tensor]
  /// Sorted by name.
  package let attachments: [VQ4Attachment]
  /// Bytes of the model.
  package let byteCount: Int
  /// Alignment of the groups, in bytes.
  package let groupAlignment: Int
  /// Version of the format, for example `1.0`.
  package let formatVersion: String
  /// The version that this code writes, and reads up to its major number.
  package static let writtenFormatVersion = "\(Format.majorVersion).\(Format.minorVersion)"

  let bytes: FileBytes
  /// From the attachments to the end.
  let tables: FileView
  private let mappedPayload = Mutex<FileView?>(nil)
  /// The payload's first byte in memory; 0 while it is not mapped.
  private let payloadAddress = Atomic<UInt>(0)
  let chunks: [VQ4Chunk]
  let superblock: Superblock
  private let tensorIndices: [String: Int]

  /// Opens a file, or a region of it; throws `VQ4Error` for anything that breaks a rule of the format.
  ///
  /// - Parameters:
  ///   - offset: where the model begins in the file, a multiple of 64.
  ///   - length: bytes of the model; nil: all up to the end of the file.
  package convenience init(
    path: String, offset: Int = 0, length: Int? = nil
  ) throws(VQ4Error) {
    do {
      try self.init(
        bytes: try FileBytes(path: path, offset: offset, length: length), path: path)
    } catch {
      throw error.inFile(path)
    }
  }

  /// Opens a file that the caller has opened for reading, or a region of it; throws as `init(path:)` does.
  ///
  /// - Parameters:
  ///   - descriptor: is duplicated, and stays the caller's.
  ///   - offset: where the model begins in the file, a multiple of 64.
  ///   - length: bytes of the model; nil: all up to the end of the file.
  ///   - name: stands for the path in messages; it is not looked up.
  package convenience init(
    descriptor: Int32, offset: Int = 0, length: Int? = nil, name: String
  ) throws(VQ4Error) {
    do {
      try self.init(
        bytes: try FileBytes(
          descriptor: descriptor, name: name, offset: offset, length: length), path: name)
    } catch {
      throw error.inFile(name)
    }
  }

  /// Reads a file held in memory, copied.
  package convenience init(
    copying bytes: UnsafeRawBufferPointer, path: String
  ) throws(VQ4Error) {
    do {
      try self.init(bytes: try FileBytes(copying: bytes), path: path)
    } catch {
      throw error.inFile(path)
    }
  }

  private init(bytes: FileBytes, path: String) throws(VQ4Error) {
    let superblock = try Self.superblock(bytes)
    let range = superblock.blobsOffset..<bytes.byteCount
    let tables: FileView
    do throws(VQ4Error) {
      tables = try FileView(mapping: range, of: bytes)
    } catch {
      tables = try FileView(reading: range, of: bytes)
    }
    let directory = try DirectoryReader.read(tables, superblock)
    self.path = path
    self.bytes = bytes
    self.tables = tables
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

  private static func superblock(_ bytes: FileBytes) throws(VQ4Error) -> Superblock {
    let count = min(bytes.byteCount, VQ4Limits.superblockBytes)
    let first = try bytes.bytes(0..<count)
    let last = try bytes.bytes(bytes.byteCount - count..<bytes.byteCount)
    return try Superblock(
      first: UnsafeRawBufferPointer(first.prefix(count)),
      last: UnsafeRawBufferPointer(last.prefix(count)), byteCount: bytes.byteCount)
  }

  /// Bytes of all groups, with what lies between them.
  package var payloadByteCount: Int { superblock.payloadBytes }

  /// Whether the weights are mapped.
  package var isPayloadMapped: Bool { payload() != nil }

  /// Maps the weights for use in place, unless they are; any thread may call it.
  ///
  /// - Throws: `VQ4Error` with `cannotOpen`.
  package func mapWeights() throws(VQ4Error) {
    guard payload() == nil else { return }
    do throws(VQ4Error) {
      try mappedPayload.withLock { view throws(VQ4Error) in
        guard view == nil else { return }
        let start = superblock.payloadOffset
        let mapped = try FileView(mapping: start..<start + superblock.payloadBytes, of: bytes)
        view = mapped
        payloadAddress.store(UInt(bitPattern: mapped.bytes.baseAddress), ordering: .releasing)
      }
    } catch {
      throw error.inFile(path)
    }
  }

  /// The groups' bytes in place; nil while nobody asked to map them.
  func payload() -> UnsafeRawBufferPointer? {
    UnsafeRawPointer(bitPattern: payloadAddress.load(ordering: .acquiring)).map {
      UnsafeRawBufferPointer(start: $0, count: superblock.payloadBytes)
    }
  }

  /// Bytes of the payload in place by their place in the file; mapped now where they are not. Nil
  /// where they cannot be.
  func inPlace(_ range: Range<Int>) -> UnsafeRawBufferPointer? {
    if payload() == nil { try? mapWeights() }
    return payload()?.part(range.lowerBound - superblock.payloadOffset, range.count)
  }

  /// Throws `VQ4Error` with `changedInUse` where the open file was overwritten or cut since it was opened.
  package func requireUnchanged() throws(VQ4Error) {
    do {
      try bytes.requireUnchanged()
    } catch {
      throw error.inFile(path)
    }
  }

  /// Index into `tensors`.
  package func tensorIndex(named name: String) -> Int? { tensorIndices[name] }

  /// Index into `groups`.
  package func groupIndex(named name: String) -> Int? { groups.firstIndex { $0.name == name } }

  /// 32 hexadecimal digits over the decoded streams, their descriptions and the attachments: equal
  /// for every storage layout of the same model.
  package var contentHash: String { superblock.contentHash.description }

  /// 32 hexadecimal digits that cover every byte of the file through its chain of hashes.
  package var fileHash: String {
    let bytes = superblock.encoded()
    return bytes.withUnsafeBytes { VQ4Hash(of: $0.part(0, Superblock.checksumOffset)) }.description
  }
}
