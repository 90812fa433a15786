/// One file that `torch.save` wrote: a zip archive of a pickle and of the storages it refers to.
///
/// Nothing in it is executed. Storages are members that are stored as they are, so that tensors are read in place.
final class TorchFile: Sendable {
  let file: InputFile
  /// Of the state dict, in the order of their offsets.
  let tensors: [CheckpointTensor]
  /// The pickle's bytes in the file.
  let headerRange: Range<Int>

  /// Reads the archive's directory and the pickle.
  ///
  /// - Parameter groups: names of the state dict where the file holds several, the preferred one first.
  init(path: String, groups: [String]) throws(CheckpointError) {
    file = try InputFile(path: path)
    try file.checkContent()
    try Self.checkMagic(file)
    let archive = try ZipArchive(file)
    let root = try Self.root(of: archive)
    try Self.checkByteOrder(archive, root)
    let pickle = archive[root + "data.pkl"]!
    guard pickle.byteCount <= PickleMachine.maximumByteCount else {
      throw CheckpointError(
        .malformedPickle, path: path,
        "data.pkl has \(pickle.byteCount) bytes; at most \(PickleMachine.maximumByteCount) are read"
      )
    }
    try HeaderMemory.require(pickle.byteCount, in: path)
    var machine = PickleMachine(try archive.content(of: pickle), path: path)
    let value = try machine.run()
    let members = try Self.members(of: machine.storages, in: archive, root)
    headerRange = pickle.offset..<pickle.offset + pickle.byteCount
    let state = TorchState(machine: machine, path: path)
    var tensors: [CheckpointTensor] = []
    for (name, tensor) in try state.tensors(of: value, groups: groups) {
      let storage = machine.storages[tensor.storage]
      tensors.append(
        try state.tensor(name, tensor, storage, in: file, at: members[tensor.storage]))
    }
    self.tensors = tensors.sorted { ($0.offsetBytes, $0.name) < ($1.offsetBytes, $1.name) }
  }

  private static func checkMagic(_ file: InputFile) throws(CheckpointError) {
    let first = try file.readBytes(from: 0, count: min(file.byteCount, 16))
    if first.starts(with: [0x50, 0x4B, 3, 4]) { return }
    // The number 0x1950a86a20f9469cfc6c, pickled.
    let legacy: [UInt8] = [0x8A, 0x0A, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19]
    if first.first == 0x80, first.dropFirst(2).starts(with: legacy) {
      throw CheckpointError(
        .unsupportedFormat, path: file.path,
        "has the form from before PyTorch 1.6, without an archive; load it with a PyTorch you trust "
          + "and save the state dict again")
    }
    throw CheckpointError(
      .unsupportedFormat, path: file.path,
      "is no zip archive as torch.save writes it; save the state dict as safetensors")
  }

  /// The folder of all members, with its slash.
  private static func root(of archive: ZipArchive) throws(CheckpointError) -> String {
    let roots = archive.members.compactMap { member -> String? in
      let parts = member.name.split(separator: "/", omittingEmptySubsequences: false)
      return parts.count == 2 && parts[1] == "data.pkl" ? parts[0] + "/" : nil
    }
    guard roots.count == 1 else {
      throw CheckpointError(
        .unsupportedFormat, path: archive.file.path,
        roots.isEmpty
          ? "is a zip archive without data.pkl; no file of torch.save"
          : "holds \(roots.count) members data.pkl; one is expected")
    }
    return roots[0]
  }

  private static func checkByteOrder(
    _ archive: ZipArchive, _ root: String
  ) throws(CheckpointError) {
    // Files from before PyTorch 2.1 lack the member; their writers are little-endian.
    guard let member = archive[root + "byteorder"] else { return }
    let order = member.byteCount <= 16 ? try archive.content(of: member) : []
    guard order == Array("little".utf8) else {
      throw CheckpointError(
        .unsupportedFormat, path: archive.file.path,
        "is not little-endian; load and save it on a little-endian machine")
    }
  }

  /// The member of each storage, of the size that its pickle says.
  private static func members(
    of storages: [PickleMachine.Storage], in archive: ZipArchive, _ root: String
  ) throws(CheckpointError) -> [ZipArchive.Member] {
    var members: [ZipArchive.Member] = []
    var typeByKey: [String: TorchStorageType] = [:]
    for storage in storages {
      let name = root + "data/" + storage.key
      guard typeByKey.updateValue(storage.type, forKey: storage.key) ?? storage.type == storage.type
      else {
        throw CheckpointError(
          .invalidOffsets, path: archive.file.path, tensor: name,
          "is of two element types in data.pkl; the file is damaged, copy it again")
      }
      guard let member = archive[name] else {
        throw CheckpointError(
          .missingTensor, path: archive.file.path, tensor: name,
          "is named in data.pkl but absent; copy the file again")
      }
      let (byteCount, overflow) = storage.elementCount.multipliedReportingOverflow(
        by: storage.type.byteCount)
      guard !overflow, byteCount == member.byteCount else {
        throw CheckpointError(
          .invalidOffsets, path: archive.file.path, tensor: name,
          "has \(member.byteCount) bytes, but data.pkl says \(storage.elementCount) elements of "
            + "torch.\(storage.type.rawValue)")
      }
      members.append(member)
    }
    return members
  }
}

/// Finds the state dict among the values of a pickle.
struct TorchState {
  let machine: PickleMachine
  let path: String

  /// Groups that usually hold the weights, or the group that does, the preferred one first.
  private static let usualGroups = ["state_dict", "model", "module", "trainer"]
  private static let maximumDepth = 4

  /// Names and tensors of the state dict; other values are ignored.
  func tensors(
    of value: Int, groups: [String]
  ) throws(CheckpointError) -> [(name: String, tensor: PickleMachine.Tensor)] {
    var dictionary = value
    for _ in 0..<Self.maximumDepth {
      guard case .dictionary(let entries) = machine.nodes[dictionary] else { break }
      let tensors = try tensors(in: entries)
      if !tensors.isEmpty { return tensors }
      dictionary = try group(of: entries, groups: groups)
    }
    throw missing()
  }

  private func missing() -> CheckpointError {
    CheckpointError(
      .missingTensor, path: path, "holds no dictionary of tensors; give a state dict")
  }

  private func tensors(
    in entries: [(key: Int, value: Int)]
  ) throws(CheckpointError) -> [(name: String, tensor: PickleMachine.Tensor)] {
    var names: Set<String> = []
    var found: [(name: String, tensor: PickleMachine.Tensor)] = []
    for (key, value) in entries {
      guard case .text(let name) = machine.nodes[key],
        case .tensor(let index) = machine.nodes[value]
      else { continue }
      guard names.insert(name).inserted else {
        throw CheckpointError(.duplicateTensor, path: path, tensor: name, "stands twice")
      }
      found.append((name, machine.tensors[index]))
    }
    return found
  }

  /// The dictionary inside that holds the weights.
  private func group(
    of entries: [(key: Int, value: Int)], groups: [String]
  ) throws(CheckpointError) -> Int {
    var candidates: [(name: String, node: Int)] = []
    var visited: Set<Int> = []
    for (key, value) in entries {
      guard case .text(let name) = machine.nodes[key],
        holdsTensors(value, depth: Self.maximumDepth, &visited)
      else { continue }
      candidates.append((name, value))
    }
    for wanted in groups + Self.usualGroups {
      if let candidate = candidates.first(where: { $0.name == wanted }) { return candidate.node }
    }
    guard let only = candidates.first else { throw missing() }
    guard candidates.count == 1 else {
      let names = candidates.prefix(8).map(\.name).joined(separator: ", ")
      throw CheckpointError(
        .ambiguousGroup, path: path,
        "holds several groups of tensors (\(names)), none of a usual name; save the wanted one "
          + "alone")
    }
    return only.node
  }

  private func holdsTensors(_ node: Int, depth: Int, _ visited: inout Set<Int>) -> Bool {
    guard depth > 0, visited.insert(node).inserted,
      case .dictionary(let entries) = machine.nodes[node]
    else { return false }
    for (_, value) in entries {
      if case .tensor = machine.nodes[value] { return true }
      if holdsTensors(value, depth: depth - 1, &visited) { return true }
    }
    return false
  }

  /// A tensor in place.
  func tensor(
    _ name: String, _ tensor: PickleMachine.Tensor, _ storage: PickleMachine.Storage,
    in file: InputFile, at member: ZipArchive.Member
  ) throws(CheckpointError) -> CheckpointTensor {
    var expected = 1
    var isContiguous = true
    for (size, stride) in zip(tensor.shape, tensor.strides).reversed() where size != 1 {
      isContiguous = isContiguous && stride == expected
      // No overflow: the elements lie inside the storage, or there are none.
      expected = expected.multipliedReportingOverflow(by: size).partialValue
    }
    guard isContiguous || tensor.shape.contains(0) else {
      throw CheckpointError(
        .invalidShape, path: path, tensor: name,
        "is a view with strides \(tensor.strides) of shape \(tensor.shape); only contiguous tensors "
          + "are read: save it with .contiguous()")
    }
    let start = member.offset + tensor.offset * storage.type.byteCount
    let byteCount =
      tensor.shape.contains(0) ? 0 : tensor.shape.reduce(storage.type.byteCount, *)
    return CheckpointTensor(
      name: name, elementType: storage.type.elementType,
      typeName: "torch.\(storage.type.rawValue)", shape: tensor.shape,
      at: FilePart(file, start..<start + byteCount))
  }
}
