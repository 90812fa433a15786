import VARServer
import VARSystem

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A folder of which nobody else may know what it holds.
enum PrivateFolder {
  private static let others: mode_t = 0o077

  /// Keeps others out of a folder that holds nothing else than the files that belong there.
  ///
  /// - Parameter isOwn: whether a file of this name belongs there.
  /// - Throws: why others may look into it.
  static func close(_ path: String, isOwn: (String) -> Bool) throws(StateFolder.Refusal) {
    var status = stat()
    // What is not there is told by the first file.
    guard stat(path, &status) == 0, status.st_mode & others != 0 else { return }
    let problem: String
    if status.st_uid != geteuid() {
      problem = "it belongs to another user"
    } else if !FileTree.names(in: path).allSatisfy(isOwn) {
      problem = "it holds other files too"
    } else if chmod(path, status.st_mode & 0o777 & ~others) != 0 {
      problem = String(cString: strerror(errno))
    } else {
      return
    }
    throw StateFolder.Refusal(
      description: "\(path): others may look into this folder, which holds what clients ask, and "
        + "\(problem); name a folder that belongs to the server alone")
  }
}
