import VARJSON
import VARLite
import VARModels
import VARTestSupport
import VARVision
import VQ4Format

extension FuzzTarget {
  /// A `.vq4` file: its tables, all its streams and attachments, and the model that it says it is.
  static let vq4 = FuzzTarget(
    "vq4",
    files: { [FuzzFile("model.vq4", $0)] },
    read: { input in
      let file = try input.withUnsafeBytes { try VQ4File(copying: $0, path: "model.vq4") }
      for attachment in file.attachments {
        _ = try? file.attachment(attachment.name)
        _ = try? file.attachmentInPlace(attachment.name)
      }
      let faults = [
        fault { _ = try file.verify() }, fault { try readChunks(of: file) },
        fault { try openModel(file) }, fault { try readFromDisk(input) },
      ]
      for layout in VQ4StorageLayout.allCases {
        _ = file.isStored(as: layout)
        _ = file.largestByteCount(layout)
      }
      if let fault = faults.compactMap({ $0 }).first { throw fault }
    },
    change: VQ4Mutation.change)

  /// The bytes of a drawing to go on with.
  static let drawingState = FuzzTarget(
    "drawing-state",
    files: { [FuzzFile("drawing.state", $0)] },
    read: { input in
      let state = try DrawingState(serialized: input)
      guard try DrawingState(serialized: state.serialized) == state else {
        preconditionFailure("a drawing is not what was saved")
      }
    },
    change: { input, change in
      var bytes = change.mutate(input, change.capacity)
      guard bytes.count > 28, !change.happens(onceIn: 16) else { return bytes }
      let hash = bytes[16...].withUnsafeBytes { VQ4Hash(of: $0) }
      bytes.set(hash.low, at: 0, size: 8)
      bytes.set(hash.high, at: 8, size: 8)
      return bytes
    })

  private static func fault(_ body: () throws -> Void) -> (any Error)? {
    do {
      try body()
      return nil
    } catch {
      return error
    }
  }

  /// As weights are read that do not stay in memory.
  private static func readChunks(of file: VQ4File) throws {
    let staging = UnsafeMutableRawBufferPointer.allocate(
      byteCount: VQ4ChunkReader.stagingBytes(file), alignment: 4096)
    defer { staging.deallocate() }
    let reader = VQ4ChunkReader(VQ4DirectFile(file), staging: staging)
    for index in file.tensors.indices {
      for role in VQ4StreamRole.allCases {
        for chunk in 0..<file.chunkCount(index, role) {
          let output = UnsafeMutableRawBufferPointer.allocate(
            byteCount: file.chunkRange(index, role, chunk).count, alignment: 64)
          defer { output.deallocate() }
          let target = VQ4ChunkTarget(tensor: index, role: role, chunk: chunk, offsetBytes: 0)
          try reader.read([target], into: output.baseAddress!)
          try file.decodeChunk(index, role, chunk, into: output)
        }
      }
    }
  }

  /// The same from a file: mapped, and past the page cache.
  private static func readFromDisk(_ input: [UInt8]) throws {
    try FuzzFolder.with([FuzzFile("model.vq4", input)]) { folder in
      let file = try VQ4File(path: folder.path("model.vq4"))
      for attachment in file.attachments { _ = try? file.attachmentInPlace(attachment.name) }
      for isMapped in [false, true] {
        if isMapped { try? file.mapWeights() }
        _ = fault { _ = try file.verify() }
        _ = fault { try readChunks(of: file) }
      }
      for index in file.tensors.indices {
        for role in VQ4StreamRole.allCases {
          guard let bytes = file.rawStream(index, role), !bytes.isEmpty else { continue }
          _ = bytes.reduce(0) { $0 ^ $1 }
          var first = [UInt8](repeating: 0, count: min(bytes.count, 64))
          try first.withUnsafeMutableBytes {
            try file.readRawStream(index, role, at: 0, into: $0)
          }
        }
      }
      for group in file.groups.indices {
        file.readAhead(group: group)
        _ = file.seemsResident(group: group)
        file.forgetPages(group: group)
      }
    }
  }

  private static let runtime = Result {
    try Runtime(options: Runtime.Options(threadCount: 1, memoryBudgetBytes: 1 << 30))
  }

  private static func openModel(_ file: VQ4File) throws {
    let model = try Model(file, source: nil, Model.Options(), runtime.get())
    _ = model.description
    _ = ModelSummary(model)
    readTexts(model.tokenizer)
  }
}
