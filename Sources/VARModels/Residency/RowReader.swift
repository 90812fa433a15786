import VARSystem
import VQ4Format

/// Reads single units of streams, rows of a table or tiles of a matrix, without holding the stream.
///
/// A stream that is compressed is decoded a chunk at a time; the last few chunks are kept. For any number of threads.
final class RowReader: @unchecked Sendable {
  private let file: VQ4File
  /// Whether raw streams are read in place, else with system calls.
  private let usesMapping: Bool
  private let monitor = Monitor()
  // Behind the monitor.
  private var reader: (chunks: VQ4ChunkReader, staging: AnonymousMemory)?
  private var chunks: [DecodedChunk] = []
  private var clock = 0

  private final class DecodedChunk {
    let tensor: Int
    let role: VQ4StreamRole
    let chunk: Int
    let memory: AnonymousMemory
    var lastUse = 0

    init(_ tensor: Int, _ role: VQ4StreamRole, _ chunk: Int, _ memory: AnonymousMemory) {
      self.tensor = tensor
      self.role = role
      self.chunk = chunk
      self.memory = memory
    }
  }

  private static let chunkCapacity = 8

  init(_ file: VQ4File, usesMapping: Bool) {
    self.file = file
    self.usesMapping = usesMapping
  }

  /// Memory that the decoded chunks of a file's tables take at most.
  static func cacheBytes(_ blocks: WeightBlocks) -> Int {
    let file = blocks.file
    var largest = 0
    for tensor in blocks.tensorsByRow {
      for role in VQ4StreamRole.allCases
      where file.chunkCount(tensor, role) > 0 && file.rawFileRange(tensor, role) == nil {
        largest = max(largest, file.chunkRange(tensor, role, 0).count)
      }
    }
    return largest == 0
      ? 0
      : chunkCapacity * ((largest + 4095) / 4096 * 4096) + VQ4ChunkReader.stagingBytes(file)
        + VQ4ChunkReader.memoryBytes(file)
  }

  /// Copies a unit, whose size is that of `output`.
  func read(
    unit: Int, of tensor: Int, _ role: VQ4StreamRole, into output: UnsafeMutableRawBufferPointer
  ) throws(ModelError) {
    let offset = unit * output.count
    guard file.rawFileRange(tensor, role) == nil else {
      return try copyRaw(tensor, role, at: offset, into: output)
    }
    try monitor.locked { () throws(ModelError) in
      let chunk = offset / file.tensors[tensor].description.chunkByteCount(of: role)
      let start = offset - file.chunkRange(tensor, role, chunk).lowerBound
      let memory = try decoded(tensor, role, chunk)
      output.copyMemory(
        from: UnsafeRawBufferPointer(start: memory.base + start, count: output.count))
    }
  }

  private func copyRaw(
    _ tensor: Int, _ role: VQ4StreamRole, at offset: Int,
    into output: UnsafeMutableRawBufferPointer
  ) throws(ModelError) {
    if usesMapping, let raw = file.rawStream(tensor, role) {
      output.copyMemory(
        from: UnsafeRawBufferPointer(rebasing: raw[offset...].prefix(output.count)))
      return
    }
    do throws(VQ4Error) {
      try file.readRawStream(tensor, role, at: offset, into: output)
    } catch {
      throw ModelError(.unreadableWeights, "\(error)")
    }
  }

  private func decoded(
    _ tensor: Int, _ role: VQ4StreamRole, _ chunk: Int
  ) throws(ModelError) -> AnonymousMemory {
    clock += 1
    if let found = chunks.first(where: {
      $0.tensor == tensor && $0.role == role && $0.chunk == chunk
    }) {
      found.lastUse = clock
      return found.memory
    }
    if chunks.count == Self.chunkCapacity,
      let oldest = chunks.indices.min(by: { chunks[$0].lastUse < chunks[$1].lastUse })
    {
      chunks.remove(at: oldest)
    }
    let count = file.chunkRange(tensor, role, chunk).count
    let memory = try Self.memory(count)
    if reader == nil { reader = try makeReader() }
    guard let reader else { preconditionFailure("the reader was just made") }
    do throws(VQ4Error) {
      try reader.chunks.read(
        [VQ4ChunkTarget(tensor: tensor, role: role, chunk: chunk, offsetBytes: 0)],
        into: memory.base)
    } catch {
      throw ModelError(.unreadableWeights, "\(error)")
    }
    let entry = DecodedChunk(tensor, role, chunk, memory)
    entry.lastUse = clock
    chunks.append(entry)
    return memory
  }

  private func makeReader() throws(ModelError) -> (VQ4ChunkReader, AnonymousMemory) {
    let count = VQ4ChunkReader.stagingBytes(file)
    let staging = try Self.memory(count)
    let place = UnsafeMutableRawBufferPointer(start: staging.base, count: count)
    return (VQ4ChunkReader(VQ4DirectFile(file), staging: place), staging)
  }

  private static func memory(_ byteCount: Int) throws(ModelError) -> AnonymousMemory {
    guard let memory = AnonymousMemory(byteCount: byteCount) else {
      throw ModelError(.outOfMemory, "no memory for a chunk of \(byteCount) bytes")
    }
    return memory
  }
}
