import VARCheckpoint
import VARTestSupport

extension FuzzTarget {
  /// A file of `torch.save` as an archive.
  static let zip = FuzzTarget(
    "zip", files: torchFiles, read: readTorch,
    change: { input, change in
      // Most offsets stay true where no byte is added.
      change.happens(onceIn: 4) ? change.mutate(input, change.capacity) : change.inPlace(input)
    })

  /// The same, its pickle changed and the archive packed again.
  static let pickle = FuzzTarget(
    "pickle", files: torchFiles, read: readTorch,
    change: { input, change in
      guard var members = storedMembers(input),
        let index = members.firstIndex(where: { $0.name.hasSuffix("/data.pkl") })
      else { return change.mutate(input, change.capacity) }
      let others = input.count - members[index].bytes.count
      members[index].bytes = change.mutate(
        members[index].bytes, max(1, change.capacity - others))
      let file = TorchArchive.zip(members)
      return file.count <= change.capacity ? file : input
    })

  private static let torchFiles: @Sendable ([UInt8]) -> [FuzzFile] = { [FuzzFile("model.pth", $0)] }

  private static let readTorch: @Sendable ([UInt8]) throws -> Void = { input in
    try FuzzFolder.with(torchFiles(input)) { folder in
      let checkpoint = try Checkpoint(path: folder.path("model.pth"), groups: ["trainer"])
      for tensor in checkpoint.tensors where tensor.elementCount <= 1 << 12 {
        if tensor.elementType.isFloat { _ = try? tensor.floats() }
      }
    }
  }

  /// The members of an archive without compression; nil where they cannot be found.
  private static func storedMembers(_ file: [UInt8]) -> [(name: String, bytes: [UInt8])]? {
    guard let size = file.number(at: file.count - 10, size: 4),
      let directory = file.number(at: file.count - 6, size: 4)
    else { return nil }
    var members: [(name: String, bytes: [UInt8])] = []
    var entry = directory
    while entry < directory + size {
      guard let byteCount = file.number(at: entry + 24, size: 4),
        let nameCount = file.number(at: entry + 28, size: 2),
        let extra = file.number(at: entry + 30, size: 2),
        let header = file.number(at: entry + 42, size: 4), entry + 46 + nameCount <= file.count,
        let headerName = file.number(at: header + 26, size: 2),
        let headerExtra = file.number(at: header + 28, size: 2)
      else { return nil }
      let start = header + 30 + headerName + headerExtra
      guard byteCount <= file.count, start <= file.count - byteCount else { return nil }
      members.append(
        (
          String(decoding: file[entry + 46..<entry + 46 + nameCount], as: UTF8.self),
          Array(file[start..<start + byteCount])
        ))
      entry += 46 + nameCount + extra
    }
    return members
  }
}
