import Testing
import VARSystem
import VARTestSupport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Files that are read or written as a whole.
@Suite struct WholeFileTests {
  private let folder = TemporaryDirectory()
  private let bytes = (0..<200_000).map { UInt8(truncatingIfNeeded: $0) }

  private func mode(_ name: String) -> mode_t? {
    var status = stat()
    return lstat(folder.file(name), &status) == 0 ? status.st_mode : nil
  }

  // MARK: Reading

  @Test func filesUpToTheLimitAreRead() throws {
    folder.write("a", bytes)
    let path = folder.file("a")
    #expect(try WholeFile.read(path, atMost: bytes.count) == bytes)
    #expect(try WholeFile.read(path, atMost: bytes.count - 1) == nil)
    folder.write("empty", "")
    #expect(try WholeFile.read(folder.file("empty"), atMost: 0) == [])
    #expect(throws: SystemError(.open, ENOENT)) {
      try WholeFile.read(folder.file("none"), atMost: 1)
    }
    let error = #expect(throws: SystemError.self) { try WholeFile.read(folder.path, atMost: 1) }
    #expect(error?.isFolder == true)
  }

  @Test func pipesAreReadAndWritten() throws {
    let path = folder.file("pipe")
    mkfifo(path, 0o600)
    let bytes = bytes
    let writer = try #require(JoinableThread { try? WholeFile.write(bytes, to: path) })
    #expect(try WholeFile.read(path, atMost: bytes.count) == bytes)
    writer.join()
    #expect(folder.names() == ["pipe"])
    #expect(FileStatus(path)?.kind == .special)
  }

  // MARK: Writing

  @Test func namesOfOnePlaceAreKnownBeforeThereIsAFile() throws {
    mkdir(folder.file("inner"), 0o755)
    folder.write("inner/a", "1")
    symlink("inner", folder.file("link"))
    symlink("inner/new", folder.file("lost"))
    let names = ["inner/new", "./inner/new", "inner/../inner/new", "link/new", "lost"].map {
      folder.file($0)
    }
    for name in names {
      for other in names { #expect(WholeFile.isSamePlace(name, other), "\(name) \(other)") }
      #expect(!WholeFile.isSamePlace(name, folder.file("new")))
      #expect(!WholeFile.isSamePlace(name, folder.file("inner/a")))
    }
  }

  @Test func linksThatLeadNowhereAreFollowed() throws {
    symlink("b", folder.file("a"))
    symlink("c", folder.file("b"))
    try WholeFile.check(folder.file("a"))
    try WholeFile.write([1, 2, 3], to: folder.file("a"))
    #expect(folder.names().sorted() == ["a", "b", "c"])
    #expect(try WholeFile.read(folder.file("c"), atMost: 9) == [1, 2, 3])
    #expect(try #require(mode("a")) & S_IFMT == S_IFLNK)
    symlink("loop", folder.file("loop"))
    #expect(throws: SystemError(.open, ELOOP)) { try WholeFile.check(folder.file("loop")) }
    #expect(throws: SystemError(.open, ELOOP)) {
      try WholeFile.write([1], to: folder.file("loop"))
    }
    #expect(try #require(mode("loop")) & S_IFMT == S_IFLNK)
  }

  @Test func aNameIsTakenOnce() throws {
    try WholeFile.claim(folder.file("a"))
    symlink("none", folder.file("b"))
    for name in ["a", "b"] {
      let error = #expect(throws: SystemError.self) { try WholeFile.claim(folder.file(name)) }
      #expect(error?.isTaken == true)
    }
    #expect(folder.names().sorted() == ["a", "b"])
  }

  @Test func filesAppearUnderTheirNamesAlone() throws {
    let path = folder.file("a")
    try WholeFile.check(path)
    #expect(folder.names().isEmpty)
    for bytes in [bytes, [1, 2, 3], []] {
      try WholeFile.write(bytes, to: path)
      #expect(try WholeFile.read(path, atMost: 1 << 20) == bytes)
      try WholeFile.check(path)
      #expect(folder.names() == ["a"])
    }
    // As the umask allows, which is the process's own.
    let status = try #require(SystemFile.text("/proc/self/status"))
    let mask = SystemFile.counts(status)["Umask:"].flatMap { mode_t("\($0)", radix: 8) } ?? 0o022
    #expect(mode("a").map { $0 & 0o777 } == 0o644 & ~mask)
    try WholeFile.write(FileContent(bytes), to: folder.file("own"), isPrivate: true)
    #expect(mode("own").map { $0 & 0o777 } == 0o600 & ~mask)
  }

  @Test func linksStayAndWhatTheyNameIsReplaced() throws {
    folder.makeDirectory("other")
    folder.write("other/real", "old")
    symlink("other/real", folder.file("link"))
    try WholeFile.write(bytes, to: folder.file("link"))
    #expect(mode("link").map { $0 & S_IFMT } == S_IFLNK)
    #expect(try WholeFile.read(folder.file("other/real"), atMost: 1 << 20) == bytes)
    #expect(TemporaryDirectory.names(folder.file("other")) == ["real"])
    #expect(WholeFile.isSamePlace(folder.file("link"), folder.file("other/real")))
    #expect(!WholeFile.isSamePlace(folder.file("link"), folder.file("other")))
  }

  @Test func devicesTakeTheBytesThemselves() throws {
    symlink("/dev/null", folder.file("null"))
    try WholeFile.check(folder.file("null"))
    try WholeFile.write(bytes, to: folder.file("null"))
    #expect(mode("null").map { $0 & S_IFMT } == S_IFLNK)
    #expect(FileStatus("/dev/null")?.kind == .special)
    #expect(throws: SystemError(.write, ENOSPC)) { try WholeFile.write(bytes, to: "/dev/full") }
  }

  @Test func whatAKilledProcessLeftIsLeftAlone() throws {
    folder.write("a.\(getpid()).partial", "left")
    try WholeFile.check(folder.file("a"))
    try WholeFile.write(bytes, to: folder.file("a"))
    #expect(folder.names() == ["a", "a.\(getpid()).partial"])
    #expect(
      try WholeFile.read(folder.file("a.\(getpid()).partial"), atMost: 9) == Array("left".utf8))
  }

  @Test func placesThatTakeNoFileSayWhy() {
    for path in [folder.file("none/a"), folder.file("") + "none/"] {
      let error = #expect(throws: SystemError.self) { try WholeFile.write(bytes, to: path) }
      #expect(error?.isMissing == true && error?.advice == "; make its folder first")
      #expect(throws: SystemError.self) { try WholeFile.check(path) }
    }
    #expect(throws: SystemError(.open, EISDIR)) { try WholeFile.write(bytes, to: folder.path) }
    #expect(folder.names().isEmpty)
  }
}
