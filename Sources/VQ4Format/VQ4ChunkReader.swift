import CVARSystem

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A file opened a second time, for reads that leave the page cache as it is.
package final class VQ4DirectFile: Sendable {
  package let file: VQ4File
  /// Bypasses the page cache; -1 where the file system cannot.
  let descriptor: Int32
  /// Whether the system tells this process what of the file is in the page cache.
  let tellsCached: Bool
  /// Alignment of offsets, sizes and addresses that every file system takes.
  static let blockBytes = 4096

  /// - Parameter isDirect: false reads through the page cache and forgets what was read.
  package init(_ file: VQ4File, isDirect: Bool = true) {
    self.file = file
    tellsCached = file.bytes.tellsCached
    let flag = cvar_open_direct_flag()
    guard isDirect, flag != 0, let known = file.bytes.descriptor else {
      descriptor = -1
      return
    }
    // By the open descriptor, so that it is the same file even where its name has gone to another one.
    let again = open("/proc/self/fd/\(known)", O_RDONLY | O_CLOEXEC | flag)
    descriptor = again >= 0 ? again : Self.openByName(file.path, flag, sameAs: known)
  }

  /// For systems without `/proc`; -1 where the name has gone.
  private static func openByName(_ path: String, _ flag: Int32, sameAs known: Int32) -> Int32 {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | flag)
    guard descriptor >= 0 else { return -1 }
    var (first, second) = (stat(), stat())
    if fstat(known, &first) == 0, fstat(descriptor, &second) == 0, first.st_dev == second.st_dev,
      first.st_ino == second.st_ino
    {
      return descriptor
    }
    close(descriptor)
    return -1
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  /// Reads past the page cache where the file system can, unchecked: to time the disk.
  ///
  /// - Parameters:
  ///   - offset: is rounded down to a block.
  ///   - output: whole pages.
  /// - Returns: bytes that were read; 0 or less at the end of the file or where it cannot be read.
  package func readBlocks(at offset: Int, into output: UnsafeMutableRawBufferPointer) -> Int {
    guard let descriptor = descriptor >= 0 ? descriptor : file.bytes.descriptor else { return 0 }
    let start = offset / Self.blockBytes * Self.blockBytes
    return pread(descriptor, output.baseAddress!, output.count, off_t(start))
  }
}

/// A chunk, and where its decoded bytes go.
package struct VQ4ChunkTarget: Sendable {
  package let tensor: Int
  package let role: VQ4StreamRole
  package let chunk: Int
  /// From the beginning of the output.
  package let offsetBytes: Int

  package init(tensor: Int, role: VQ4StreamRole, chunk: Int, offsetBytes: Int) {
    self.tensor = tensor
    self.role = role
    self.chunk = chunk
    self.offsetBytes = offsetBytes
  }
}

/// Reads and decodes chunks with system calls instead of through the mapping: a read that fails is an error and no
/// signal, and the page cache is not filled. For one thread.
package final class VQ4ChunkReader {
  private let direct: VQ4DirectFile
  private var file: VQ4File { direct.file }
  private let staging: UnsafeMutableRawBufferPointer
  private let decoder: VQ4ChunkDecoder
  private var pageStates: [UInt8] = []

  /// Stored bytes that are read at once, unless one chunk has more.
  private static let batchBytes = 1 << 20

  /// - Parameter staging: where stored bytes go: `stagingBytes` that begin with a page and outlive the reader. A fast
  ///   disk is two to three times as fast where they lie in huge pages.
  package init(_ direct: VQ4DirectFile, staging: UnsafeMutableRawBufferPointer) {
    precondition(staging.count >= Self.stagingBytes(direct.file), "staging is too small")
    self.direct = direct
    self.staging = staging
    decoder = VQ4ChunkDecoder(planeBytes: direct.file.largestChunkOfPlanes)
  }

  /// Memory that a reader takes besides its staging.
  package static func memoryBytes(_ file: VQ4File) -> Int {
    VQ4ChunkDecoder.memoryBytes + file.largestChunkOfPlanes
  }

  /// A batch, and the parts of a block before and after it.
  package static func stagingBytes(_ file: VQ4File) -> Int {
    let block = VQ4DirectFile.blockBytes
    return (max(batchBytes, file.largestStoredChunk) + block - 1) / block * block + 2 * block
  }

  /// Divides chunks, which stand in the order of the file, into runs that are read at once.
  package static func batches(
    _ targets: [VQ4ChunkTarget], of file: VQ4File
  ) -> [ArraySlice<VQ4ChunkTarget>] {
    var batches: [ArraySlice<VQ4ChunkTarget>] = []
    var first = 0
    for index in targets.indices {
      let start = file.chunkFileRange(targets[first]).lowerBound
      let range = file.chunkFileRange(targets[index])
      if index > first, range.lowerBound < start || range.upperBound - start > batchBytes {
        batches.append(targets[first..<index])
        first = index
      }
    }
    if first < targets.count { batches.append(targets[first...]) }
    return batches
  }

  /// Reads a batch, checks the hashes, and decodes. Scales are checked for forbidden values too.
  package func read(
    _ batch: ArraySlice<VQ4ChunkTarget>, into output: UnsafeMutableRawPointer
  ) throws(VQ4Error) {
    guard let first = batch.first, let last = batch.last else { return }
    let start = file.chunkFileRange(first).lowerBound
    let bytes: UnsafeRawBufferPointer
    do throws(VQ4Error) {
      bytes = try read(start..<file.chunkFileRange(last).upperBound)
    } catch {
      throw error.at(file.place(first.tensor, first.role, first.chunk)).inFile(file.path)
    }
    for target in batch {
      let range = file.chunkFileRange(target)
      let target = (
        target,
        UnsafeMutableRawBufferPointer(
          start: output + target.offsetBytes,
          count: file.chunkRange(target.tensor, target.role, target.chunk).count)
      )
      try file.decodeChunk(
        target.0.tensor, target.0.role, target.0.chunk,
        stored: bytes.part(range.lowerBound - start, range.count), into: target.1,
        by: decoder)
    }
  }

  /// Bytes of the file, valid until the next call. Nothing is left in the page cache that was not there.
  private func read(_ range: Range<Int>) throws(VQ4Error) -> UnsafeRawBufferPointer {
    guard let descriptor = file.bytes.descriptor else {
      return file.bytes.copy!.part(range.lowerBound, range.count)
    }
    let start = staging.baseAddress!
    if isCached(range) {
      _ = try read(
        descriptor, range.lowerBound, range.count, atLeast: range.count, refusable: false)
      return UnsafeRawBufferPointer(start: start, count: range.count)
    }
    let block = VQ4DirectFile.blockBytes
    if direct.descriptor >= 0 {
      let first = range.lowerBound / block * block
      let count = (range.upperBound - first + block - 1) / block * block
      let needed = range.upperBound - first
      // What the file system refuses is read the other way.
      if try read(direct.descriptor, first, count, atLeast: needed, refusable: true) {
        return UnsafeRawBufferPointer(start: start + range.lowerBound - first, count: range.count)
      }
    }
    _ = try read(
      descriptor, range.lowerBound, range.count, atLeast: range.count, refusable: false)
    posix_fadvise(
      descriptor, off_t(range.lowerBound), off_t(range.count), POSIX_FADV_DONTNEED)
    return UnsafeRawBufferPointer(start: start, count: range.count)
  }

  /// Whether the page cache holds bytes of the file; asking brings none there.
  private func isCached(_ range: Range<Int>) -> Bool {
    // Mapped for the question alone: the file may be larger than what this process may map.
    guard direct.tellsCached, let pages = try? FileView.map(range, of: file.bytes)
    else { return false }
    defer { munmap(pages.baseAddress, pages.count) }
    let count = (pages.count + FileBytes.pageSize - 1) / FileBytes.pageSize
    if pageStates.count < count { pageStates = [UInt8](repeating: 0, count: count) }
    return mincore(pages.baseAddress!, pages.count, &pageStates) == 0
      && pageStates[..<count].allSatisfy { $0 & 1 == 1 }
  }

  /// Reads into `staging`. Returns false where the system refuses the alignment.
  private func read(
    _ descriptor: Int32, _ offset: Int, _ count: Int, atLeast needed: Int, refusable: Bool
  ) throws(VQ4Error) -> Bool {
    var done = 0
    while done < needed {
      // A read past the end of the file is short, and the next one would not begin with a block.
      if refusable, done % VQ4DirectFile.blockBytes != 0 { return false }
      let got = pread(descriptor, staging.baseAddress! + done, count - done, off_t(offset + done))
      if got < 0, errno == EINTR { continue }
      if got < 0, errno == EINVAL, refusable { return false }
      guard got > 0 else { throw VQ4File.readFailure(got, at: offset + done) }
      done += got
    }
    return true
  }
}

extension VQ4File {
  var largestStoredChunk: Int { chunks.reduce(0) { max($0, $1.storedBytes) } }

  /// Decoded bytes of the largest chunk that is stored as planes; 0 where none is.
  var largestChunkOfPlanes: Int {
    chunks.reduce(0) { $1.codec == .zstdPlanes ? max($0, $1.rawBytes) : $0 }
  }

  func chunkFileRange(_ target: VQ4ChunkTarget) -> Range<Int> {
    chunkFileRange(target.tensor, target.role, target.chunk)
  }

  /// Copies bytes of a stream that is stored raw, with a system call; their hash is not checked.
  package func readRawStream(
    _ tensor: Int, _ role: VQ4StreamRole, at offset: Int,
    into output: UnsafeMutableRawBufferPointer
  ) throws(VQ4Error) {
    guard let stream = rawFileRange(tensor, role) else {
      preconditionFailure("the stream is compressed")
    }
    precondition(offset >= 0 && offset + output.count <= stream.count, "beyond the stream")
    do throws(VQ4Error) {
      try bytes.read(into: output, at: stream.lowerBound + offset)
    } catch {
      throw error.at("tensor \"\(tensors[tensor].name)\", \(role)").inFile(path)
    }
  }

  /// - Parameter result: what `pread` gave: -1, or 0 at the end of the file.
  static func readFailure(_ result: Int, at offset: Int) -> VQ4Error {
    guard result < 0 else {
      return VQ4Error(.truncated, "the file was cut short while it was in use", offsetBytes: offset)
    }
    let code = errno
    return VQ4Error(
      .readFailed, "cannot be read: \(systemMessage(code))", offsetBytes: offset,
      remedy: .checkDisk, systemError: code)
  }
}
