import Testing
import VARSystem

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// What is said about calls that fail.
@Suite struct SystemErrorTests {
  @Test(arguments: [EACCES, ENOENT, ENOSPC, EIO, EMFILE, 4095])
  func reasonsAreTheSystemsWords(code: Int32) {
    #expect(SystemError.message(code) == String(cString: strerror(code)))
  }

  @Test func whatWasTriedStandsBeforeTheReason() {
    #expect("\(SystemError(.open, EACCES))" == "cannot be opened: Permission denied")
    #expect("\(SystemError(.read(at: 7), EISDIR))" == "cannot be read: Is a directory")
    #expect("\(SystemError(.flush, EIO))" == "cannot be flushed to the disk: Input/output error")
  }

  @Test func thereIsMoreToSayOfSome() {
    #expect(SystemError(.rename(keptIn: "a.7.partial"), EIO).advice.contains("a.7.partial"))
    #expect(SystemError(.open, EMFILE).advice.contains("ulimit -n"))
    #expect(SystemError(.open, ENOENT).advice == "; check the path")
    #expect(SystemError(.create, ENOENT).advice == "; make its folder first")
    #expect(SystemError(.write, ENOSPC).advice == "; make room on the disk")
    for attempt in [SystemError.Attempt.rename(), .write] {
      #expect(SystemError(attempt, EIO).advice.isEmpty)
    }
  }

  @Test func reasonsOfAKindAreTreatedAlike() {
    for code in [ENOSPC, EDQUOT, EFBIG] { #expect(SystemError(.write, code).isShortOfRoom) }
    for code in [EMFILE, ENFILE] { #expect(SystemError(.open, code).isShortOfFiles) }
    for code in [EACCES, EPERM, EROFS] {
      #expect(
        SystemError(.create, code).isFolderClosed && SystemError(.rename(), code).cannotReplace)
    }
    for code in [EBUSY, EXDEV] {
      #expect(!SystemError(.create, code).isFolderClosed)
      #expect(SystemError(.rename(), code).cannotReplace)
    }
    #expect(SystemError(.read(at: 0), 0).isEndOfFile && !SystemError(.read(at: 0), EIO).isEndOfFile)
  }
}
