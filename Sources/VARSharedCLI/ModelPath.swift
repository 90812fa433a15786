import VARLite
import VARSystem

/// Recognises what users give in the place of a model: a checkpoint that is not converted yet, or another program's
/// model.
package enum ModelPath {
  private static let checkpointFiles = [
    "config.json", "model.safetensors", "model.safetensors.index.json", "pytorch_model.bin",
    "pytorch_model.bin.index.json", "snapshots",
  ]
  private static let checkpointSuffixes = [
    ".safetensors", ".safetensors.index.json", ".pth", ".pt", ".bin", ".bin.index.json", ".ckpt",
    "/config.json",
  ]

  /// Throws `model`, with what to do, for what is plainly no `.vq4` file; all else is left to its reader.
  package static func check(_ path: String) throws(VARLiteError) {
    guard !path.isEmpty else {
      throw VARLiteError(.request, "the model has an empty name; name a file")
    }
    let kind = FileStatus(path)?.kind
    if kind == .folder {
      var folder = path
      while folder.count > 1, folder.hasSuffix("/") { folder.removeLast() }
      if checkpointFiles.contains(where: { FileTree.exists("\(folder)/\($0)") }) {
        throw unconverted(folder)
      }
      throw VARLiteError(.model, "\(path): is a folder; give a .vq4 file")
    }
    guard kind == .regular else { return }
    let start = start(of: path)
    if start.starts(with: Array("GGUF".utf8)) {
      throw VARLiteError(
        .model,
        "\(path): is a GGUF file of another program; varlite runs .vq4 files, which varconvert makes "
          + "of a VARGPT-v1.1 checkpoint")
    }
    // An archive of torch.save begins as every zip file does, a safetensors file with a length and a brace.
    let isZip = start.starts(with: [0x50, 0x4B, 3, 4])
    let isSafetensors =
      start.count > 8 && start[8] == UInt8(ascii: "{") && start[5..<8].allSatisfy { $0 == 0 }
    let hasSuffix = checkpointSuffixes.contains { path.hasSuffix($0) }
    let isModel = start.starts(with: [0x89, 0x56, 0x51, 0x34])
    guard !isModel, isZip || isSafetensors || hasSuffix || path == "config.json" else { return }
    throw unconverted(path)
  }

  private static func unconverted(_ path: String) -> VARLiteError {
    VARLiteError(
      .model,
      "\(path): is a checkpoint, not a .vq4 file; convert it first: "
        + "varconvert \(path) -o model.vq4")
  }

  /// The first bytes of a file; none where it cannot be read, which its reader will say.
  package static func start(of path: String) -> [UInt8] {
    (try? OpenFile(path, .reading).bytes(at: 0, count: 16)) ?? []
  }
}
