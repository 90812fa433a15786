import VARSystem

/// Where the files of a checkpoint are, from a path that names them or a place one level off.
enum CheckpointLocation: Equatable {
  /// The index of a folder's shards.
  case index(String, folder: String)
  /// One file of weights.
  case file(String, folder: String)

  private static let weights = ["model.safetensors", "pytorch_model.bin"]
  private static let indexSuffix = ".index.json"

  /// Follows a cache folder of the Hugging Face hub to the snapshot that `refs/main` names, an index, `config.json`
  /// and one of several shards to their folder.
  /// - Throws: `missingFile` that says what is there instead, or where to look.
  init(_ path: String) throws(CheckpointError) {
    guard let isFolder = Self.isFolder(path) else {
      throw CheckpointError(
        .missingFile, path: path,
        "cannot be found; give a checkpoint's directory, .safetensors or .pth file")
    }
    if isFolder {
      self = try Self.inFolder(Self.trimmed(path))
    } else {
      let name = path.split(separator: "/").last.map(String.init) ?? path
      let parent = Self.trimmed(String(path.dropLast(name.utf8.count)))
      self = try Self.ofFile(path, name, in: parent.isEmpty ? "." : parent)
    }
  }

  private static func trimmed(_ path: String) -> String {
    var path = path
    while path.count > 1, path.hasSuffix("/") { path.removeLast() }
    return path
  }

  /// Nil where there is nothing of that name.
  private static func isFolder(_ path: String) -> Bool? {
    FileStatus(path).map { $0.kind == .folder }
  }

  private static func exists(_ path: String) -> Bool { isFolder(path) == false }

  private static func ofFile(
    _ path: String, _ name: String, in folder: String
  ) throws(CheckpointError) -> CheckpointLocation {
    if name.hasSuffix(indexSuffix) { return .index(path, folder: folder) }
    if name == "config.json" { return try inFolder(folder) }
    if isOneOfSeveral(name), let found = withWeights(folder), case .index = found { return found }
    return .file(path, folder: folder)
  }

  /// Whether a name has the form `model-00001-of-00003.safetensors`.
  private static func isOneOfSeveral(_ name: String) -> Bool {
    let parts = name.prefix { $0 != "." }.split(separator: "-")
    return parts.count >= 4 && parts[parts.count - 2] == "of"
      && Int(parts[parts.count - 1]) != nil && Int(parts[parts.count - 3]) != nil
  }

  /// A folder that holds weights itself.
  private static func withWeights(_ folder: String) -> CheckpointLocation? {
    for name in weights {
      let path = "\(folder)/\(name)"
      if exists(path + indexSuffix) { return .index(path + indexSuffix, folder: folder) }
      if exists(path) { return .file(path, folder: folder) }
    }
    return nil
  }

  private static func inFolder(_ folder: String) throws(CheckpointError) -> CheckpointLocation {
    if let found = withWeights(folder) { return found }
    let snapshots = folder + "/snapshots"
    if isFolder(snapshots) == true { return try inSnapshots(snapshots, of: folder) }
    let inside = folders(in: folder).filter { name in
      let path = "\(folder)/\(name)"
      return withWeights(path) != nil || isFolder(path + "/snapshots") == true
    }
    guard inside.isEmpty else {
      throw CheckpointError(
        .missingFile, path: folder,
        "is no checkpoint, but holds some; give one of them: \(listed(inside, in: folder))")
    }
    throw CheckpointError(
      .missingFile, path: folder,
      "holds no model.safetensors.index.json, model.safetensors, pytorch_model.bin.index.json or "
        + "pytorch_model.bin")
  }

  /// The snapshot of a cache folder that `refs/main` names, or the only one.
  private static func inSnapshots(
    _ snapshots: String, of folder: String
  ) throws(CheckpointError) -> CheckpointLocation {
    let names = folders(in: snapshots)
    var name = names.count == 1 ? names[0] : nil
    let reference = folder + "/refs/main"
    if exists(reference) {
      let text = String(decoding: try Checkpoint.readBytes(path: reference), as: UTF8.self)
      let revision = text.split { $0 == "\n" || $0 == "\r" || $0 == " " }.first.map(String.init)
      guard let revision, names.contains(revision) else {
        throw CheckpointError(
          .missingFile, path: reference,
          "names the snapshot \(revision ?? "\"\""), which is not in \(snapshots); download the "
            + "model again")
      }
      name = revision
    }
    guard let name else {
      throw CheckpointError(
        .missingFile, path: folder,
        names.isEmpty
          ? "is a cache folder without a snapshot; download the model again"
          : "has several snapshots and no refs/main; give one of them: "
            + listed(names, in: snapshots))
    }
    guard let found = withWeights("\(snapshots)/\(name)") else {
      throw CheckpointError(
        .missingFile, path: "\(snapshots)/\(name)",
        "holds no weights; download the whole model, not only its small files")
    }
    return found
  }

  private static func listed(_ names: [String], in folder: String) -> String {
    let shown = names.prefix(4).map { "\(folder)/\($0)" }.joined(separator: ", ")
    return names.count > 4 ? shown + ", ..." : shown
  }

  /// Names of the folders in a folder, sorted.
  private static func folders(in folder: String) -> [String] {
    FileTree.names(in: folder).filter { isFolder("\(folder)/\($0)") == true }.sorted()
  }
}
