import VARSystem

/// A file for reads that leave the page cache as it is.
package final class VQ4DirectFile: Sendable {
  package let file: VQ4File
  /// nil for a copy in memory.
  let direct: DirectFile?

  /// - Parameter isDirect: false reads through the page cache and forgets what was read.
  package init(_ file: VQ4File, isDirect: Bool = true) {
    self.file = file
    direct = isDirect ? file.bytes.direct : file.bytes.direct?.throughCache()
  }

  /// Reads through the page cache only what that holds now, and has the system read nothing ahead in the file.
  package init(leavingCacheAlone file: VQ4File) {
    self.file = file
    direct = file.bytes.direct?.leavingCacheAlone()
  }

  /// Reads past the page cache where the file system can, unchecked: to time the disk.
  ///
  /// - Parameters:
  ///   - offset: is rounded down to a block.
  ///   - output: whole pages.
  /// - Returns: bytes that were read; 0 or less at the end of the file or where it cannot be read.
  package func readBlocks(at offset: Int, into output: UnsafeMutableRawBufferPointer) -> Int {
    direct?.readBlocks(at: offset, into: output) ?? 0
  }
}

/// A chunk, and where its decoded bytes go.
package struct VQ4ChunkTarget: Sendable, Equatable {
  package let tensor: Int
  package let role: VQ4StreamRole
  package let chunk: Int
  /// From the beginning of the output.
  package var offsetBytes: Int

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
  private let file: VQ4File
  /// nil for a copy in memory.
  private let reader: DirectReader?
  private let decoder = VQ4ChunkDecoder()

  /// Stored bytes that are read at once, unless one chunk has more.
  private static let batchBytes = 1 << 20

  /// - Parameter staging: where stored bytes go: `stagingBytes` that begin with a page and outlive the reader. A fast
  ///   disk is two to three times as fast where they lie in huge pages.
  package init(_ direct: VQ4DirectFile, staging: UnsafeMutableRawBufferPointer) {
    precondition(staging.count >= Self.stagingBytes(direct.file), "staging is too small")
    file = direct.file
    reader = direct.direct.map { DirectReader($0, staging: staging) }
  }

  /// Memory that a reader takes besides its staging.
  package static func memoryBytes(_ file: VQ4File) -> Int {
    VQ4ChunkDecoder.memoryBytes + file.largestChunkOfPlanes
  }

  /// A batch, and the parts of a block before and after it.
  package static func stagingBytes(_ file: VQ4File) -> Int {
    DirectReader.stagingBytes(max(batchBytes, file.largestStoredChunk))
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
      try file.decode(
        target, stored: bytes.part(range.lowerBound - start, range.count), into: output,
        by: decoder)
    }
  }

  /// Bytes of the file, valid until the next call. Nothing is left in the page cache that was not there.
  private func read(_ range: Range<Int>) throws(VQ4Error) -> UnsafeRawBufferPointer {
    guard let reader else { return file.bytes.copy!.part(range.lowerBound, range.count) }
    do throws(SystemError) {
      return try reader.read(range)
    } catch {
      throw VQ4Error(reading: error)
    }
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
}
