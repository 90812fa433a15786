import VARSystem
import VQ4Format

/// Reads streams of a file past the page cache, with memory of its own for stored bytes. For one thread.
final class StreamReader {
  let chunks: VQ4ChunkReader
  private let file: VQ4File
  private let staging: AnonymousMemory

  init(_ direct: VQ4DirectFile) throws {
    file = direct.file
    staging = try AnonymousMemory.forConversion(VQ4ChunkReader.stagingBytes(file))
    chunks = VQ4ChunkReader(direct, staging: staging.bytes)
  }

  /// A whole stream, decoded and checked; none where the tensor has no such stream.
  func bytes(_ role: VQ4StreamRole, of index: Int) throws -> [UInt8] {
    let byteCount = file.tensors[index].description.byteCount(of: role)
    try HeapMemory.requireForConversion(byteCount)
    var bytes = [UInt8](repeating: 0, count: byteCount)
    let targets = (0..<file.chunkCount(index, role)).map { chunk in
      VQ4ChunkTarget(
        tensor: index, role: role, chunk: chunk,
        offsetBytes: file.chunkRange(index, role, chunk).lowerBound)
    }
    try bytes.withUnsafeMutableBytes { bytes in
      for batch in VQ4ChunkReader.batches(targets, of: file) {
        try chunks.read(batch, into: bytes.baseAddress!)
      }
    }
    return bytes
  }
}
