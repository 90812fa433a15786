import Synchronization
import VARSystem
import VQ4Format

/// Reads single units of streams, rows of a table or tiles of a matrix, without holding the stream.
///
/// A stream that is compressed is decoded a chunk at a time; the last few chunks are kept. For any number of threads.
final class RowReader: Sendable {
  private let direct: VQ4DirectFile
  /// Whether raw streams are read in place, else with system calls.
  private let usesMapping: Bool
  private let cache = Mutex<Cache?>(nil)

  private static let chunkCapacity = 8

  init(_ direct: VQ4DirectFile, usesMapping: Bool) {
    self.direct = direct
    self.usesMapping = usesMapping
  }

  /// Memory that the decoded chunks of a file's tables take at most.
  static func cacheBytes(_ blocks: WeightBlocks) -> Int {
    let file = blocks.file
    let chunks = blocks.tensorsByRow.flatMap { tensor in
      VQ4StreamRole.allCases
        .filter { file.chunkCount(tensor, $0) > 0 && file.rawFileRange(tensor, $0) == nil }
        .map { file.chunkRange(tensor, $0, 0).count }
    }
    guard let largest = chunks.max() else { return 0 }
    return chunkCapacity * ((largest + 4095) / 4096 * 4096) + VQ4ChunkReader.stagingBytes(file)
      + VQ4ChunkReader.memoryBytes(file)
  }

  /// Copies a unit, whose size is that of `output`.
  func read(
    unit: Int, of tensor: Int, _ role: VQ4StreamRole, into output: UnsafeMutableRawBufferPointer
  ) throws(ModelError) {
    let (file, offset) = (direct.file, unit * output.count)
    guard file.rawFileRange(tensor, role) == nil else {
      if usesMapping, let raw = file.rawStream(tensor, role) {
        return output.copyMemory(
          from: UnsafeRawBufferPointer(rebasing: raw[offset...].prefix(output.count)))
      }
      return try ModelError.reading { () throws(VQ4Error) in
        try file.readRawStream(tensor, role, at: offset, into: output)
      }
    }
    let chunk = offset / file.tensors[tensor].description.chunkByteCount(of: role)
    let start = offset - file.chunkRange(tensor, role, chunk).lowerBound
    let target = VQ4ChunkTarget(tensor: tensor, role: role, chunk: chunk, offsetBytes: 0)
    try cache.withLock { cache throws(ModelError) in
      if cache == nil { cache = try Cache(direct) }
      guard let memory = try cache?.memory(of: target) else { return }
      output.copyMemory(
        from: UnsafeRawBufferPointer(start: memory.base + start, count: output.count))
    }
  }

  /// The chunks that were used last, and what reads further ones.
  private struct Cache {
    private let file: VQ4File
    private let staging: AnonymousMemory
    private let reader: VQ4ChunkReader
    /// The one that was used last stands last.
    private var chunks: [(chunk: VQ4ChunkTarget, memory: AnonymousMemory)] = []

    init(_ direct: VQ4DirectFile) throws(ModelError) {
      file = direct.file
      let byteCount = VQ4ChunkReader.stagingBytes(file)
      staging = try .forWeights(byteCount)
      reader = VQ4ChunkReader(direct, staging: .init(start: staging.base, count: byteCount))
    }

    mutating func memory(of chunk: VQ4ChunkTarget) throws(ModelError) -> AnonymousMemory {
      if let index = chunks.firstIndex(where: { $0.chunk == chunk }) {
        let found = chunks.remove(at: index)
        chunks.append(found)
        return found.memory
      }
      if chunks.count == chunkCapacity { chunks.removeFirst() }
      let byteCount = file.chunkRange(chunk.tensor, chunk.role, chunk.chunk).count
      let memory = try AnonymousMemory.forWeights(byteCount)
      try ModelError.reading { () throws(VQ4Error) in try reader.read([chunk], into: memory.base) }
      chunks.append((chunk, memory))
      return memory
    }
  }
}
