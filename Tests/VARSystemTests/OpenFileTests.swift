import Testing
import VARSystem
import VARTestSupport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Files that are read and written at stated places.
@Suite struct OpenFileTests {
  private let folder = TemporaryDirectory()

  @Test func readsAreExactOrSayWhereTheFileEnds() throws {
    folder.write("a", Array(0..<100))
    let file = try OpenFile(folder.file("a"), .reading)
    var bytes = [UInt8](repeating: 0, count: 10)
    try bytes.withUnsafeMutableBytes { try file.read(into: $0, at: 20) }
    #expect(bytes == Array(20..<30))
    let error = #expect(throws: SystemError.self) {
      try bytes.withUnsafeMutableBytes { try file.read(into: $0, at: 95) }
    }
    #expect(error == SystemError(.read(at: 100), 0))
    #expect(try file.bytes(at: 95, count: 10) == Array(95..<100))
    #expect(try file.bytes(at: 100, count: 10) == [])
  }

  @Test func writesGoWhereTheyAreTold() throws {
    let path = folder.file("new")
    let file = try OpenFile(path, .creating)
    try file.write([1, 2, 3, 4], at: 2)
    try file.truncate(to: 5)
    try file.flushData()
    try file.flush()
    #expect(try WholeFile.read(path, atMost: 100) == [0, 0, 1, 2, 3])
    #expect(try file.bytes(at: 2, count: 2) == [1, 2])
    #expect(try file.status().byteCount == 5)
  }

  @Test func anOpenFileIsSharedAndStaysTheCallers() throws {
    folder.write("a", Array(0..<100))
    let descriptor = open(folder.file("a"), O_RDONLY)
    do {
      let file = try OpenFile(duplicating: descriptor)
      #expect(try file.bytes(at: 20, count: 3) == [20, 21, 22])
    }
    let file = try OpenFile(duplicating: descriptor)
    #expect(close(descriptor) == 0)
    #expect(try file.bytes(at: 20, count: 3) == [20, 21, 22])
    #expect(throws: SystemError(.open, EBADF)) { try OpenFile(duplicating: -1) }
  }

  @Test func namesThatCannotBeOpenedSayWhy() {
    #expect(throws: SystemError(.open, ENOENT)) {
      try OpenFile(folder.file("none"), .reading)
    }
    #expect(throws: SystemError(.create, ENOENT)) {
      try OpenFile(folder.file("none/a"), .creating)
    }
    #expect(throws: SystemError(.open, ENOENT)) {
      try OpenFile(folder.file("none"), .updating)
    }
    symlink("elsewhere", folder.file("link"))
    for mode in [OpenMode.creating, .readingNoLink] {
      let error = #expect(throws: SystemError.self) { try OpenFile(folder.file("link"), mode) }
      #expect(error?.code == ELOOP)
    }
  }

  /// Opening it otherwise would wait for a writer.
  @Test func aPipeWithoutAWriterIsNotWaitedFor() throws {
    mkfifo(folder.file("pipe"), 0o600)
    #expect(try OpenFile(folder.file("pipe"), .reading).status().kind == .special)
  }

  @Test func aLockKeepsOthersOut() throws {
    let path = folder.file("a")
    let first = try OpenFile(path, .creating)
    #expect(first.lock())
    #expect(try !OpenFile(path, .updating).lock())
    withExtendedLifetime(first) {}
  }

  // MARK: What stands under a name

  @Test func kindsAreToldApart() throws {
    folder.write("a", "abc")
    folder.makeDirectory("folder")
    mkfifo(folder.file("pipe"), 0o600)
    symlink("a", folder.file("link"))
    symlink("none", folder.file("dangling"))
    let kinds = ["a", "folder", "pipe", "link", "dangling", "none"]
      .map { FileStatus(folder.file($0))?.kind }
    #expect(kinds == [.regular, .folder, .special, .regular, nil, nil])
    #expect(FileStatus(folder.file("dangling"), followsLinks: false)?.kind == .link)
    #expect(FileStatus(folder.file("a"))?.byteCount == 3)
  }

  @Test func namesOfOneFileHaveOneIdentity() throws {
    folder.write("a", "abc")
    folder.write("b", "abc")
    link(folder.file("a"), folder.file("other"))
    let identity = try OpenFile(folder.file("a"), .reading).status().identity
    #expect(FileStatus(folder.file("other"))?.identity == identity)
    #expect(FileStatus(folder.file("b"))?.identity != identity)
  }

  @Test func foldersAreKnownByNamesAlone() throws {
    for (path, folder) in [("a", "."), ("/a", "/"), ("x/a", "x"), ("/x/y/a", "/x/y"), ("x/", "x")] {
      #expect(FileTree.folder(of: path) == folder)
    }
    folder.write("a", "")
    folder.makeDirectory("b")
    #expect(FileTree.names(in: folder.path).sorted() == ["a", "b"])
    #expect(FileTree.names(in: folder.file("none")).isEmpty)
    try FileTree.rename(folder.file("a"), to: folder.file("c"))
    #expect(FileTree.exists(folder.file("c")) && !FileTree.exists(folder.file("a")))
    try FileTree.flushFolder(of: folder.file("c"))
    FileTree.remove(folder.file("c"))
    #expect(folder.names() == ["b"])
    #expect(throws: SystemError(.rename(), ENOENT)) {
      try FileTree.rename(folder.file("a"), to: folder.file("c"))
    }
  }
}
