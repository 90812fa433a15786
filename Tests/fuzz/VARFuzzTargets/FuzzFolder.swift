import VARTestSupport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A folder whose files are those of one input after the other.
final class FuzzFolder {
  private let directory = TemporaryDirectory()
  private var names: Set<String> = []

  var path: String { directory.path }

  func path(_ name: String) -> String { directory.file(name) }

  /// Leaves exactly these files in the folder.
  func hold(_ files: [FuzzFile]) {
    for name in names.subtracting(files.map(\.name)) { unlink(directory.file(name)) }
    for file in files { directory.write(file.name, file.bytes) }
    names = Set(files.map(\.name))
  }

  func add(_ file: FuzzFile) {
    directory.write(file.name, file.bytes)
    names.insert(file.name)
  }

  /// A name for what does not change.
  func link(_ name: String, to target: String) { symlink(target, path(name)) }

  /// Reads an input through a folder of its own.
  static func with<Result>(
    _ files: [FuzzFile], _ body: (FuzzFolder) throws -> Result
  ) rethrows -> Result {
    let folder = FuzzFolder()
    folder.hold(files)
    return try body(folder)
  }
}
