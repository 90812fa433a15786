#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Folders that are fixtures but for some texts in one of their files.
public enum ChangedFixture {
  /// Fills a folder with links to a fixture's files and a changed copy of one.
  ///
  /// - Parameter replacing: texts of the file and what stands there instead.
  /// - Throws: ``FixtureError`` where a text is not there.
  public static func make(
    _ fixture: String, changing name: String, replacing: [String: String],
    in folder: TemporaryDirectory
  ) throws {
    let source = Fixtures.path(fixture)
    for entry in TemporaryDirectory.names(of: source) where entry != name {
      guard symlink("\(source)/\(entry)", folder.file(entry)) == 0 else {
        throw FixtureError("no link to \(entry)")
      }
    }
    var text = String(decoding: try Fixtures.bytes("\(fixture)/\(name)"), as: UTF8.self)
    for (old, new) in replacing {
      let parts = text.split(separator: old, omittingEmptySubsequences: false)
      guard parts.count > 1 else { throw FixtureError("no \(old) in \(name)") }
      text = parts.joined(separator: new)
    }
    folder.write(name, text)
  }
}
