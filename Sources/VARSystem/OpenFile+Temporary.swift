#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

extension OpenFile {
  /// A new file in a folder, to be read and written. It has no name, and is gone when its owner is.
  package static func temporary(in folder: String) throws(SystemError) -> OpenFile {
    var random = SystemRandomNumberGenerator()
    for _ in 0..<1000 {
      let name = String(random.next() as UInt64, radix: 36)
      let path = "\(folder)/.\(name).temporary"
      do throws(SystemError) {
        let file = try OpenFile(path, .creatingPrivate)
        unlink(path)
        return file
      } catch {
        guard error.code == EEXIST else { throw error }
      }
    }
    throw SystemError(.create, EEXIST)
  }
}
