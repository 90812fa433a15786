import Testing
import VARTestSupport
import VQ4Format

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// What stands under the name of the partial file before anything is written (VQ4-36).
@Suite struct PartialFileTests {
  private let directory = TemporaryDirectory()
  private var path: String { directory.file("m.vq4") }

  private func expectRefusal(_ words: String) {
    #expect {
      try TestModel.write(TestModel.small, to: path, layout: .map)
    } throws: {
      let error = $0 as? VQ4Error
      return error?.code == .outputExists && error?.path == path + ".partial"
        && error?.description.contains(words) == true
        && error?.description.contains("move it away") == true
    }
    #expect(!directory.names().contains("m.vq4"))
  }

  @Test(arguments: [
    Array("Keep this.".utf8), [0, 0, 1], [0x89, 0x56, 0x51, 0x35],
    [UInt8](repeating: 0, count: 511) + [7],
  ])
  func filesOfOthersAreLeftAlone(_ content: [UInt8]) throws {
    directory.write("m.vq4.partial", content)
    expectRefusal("is not what an earlier run left")
    #expect(try Fixtures.readFile(path + ".partial") == content)
  }

  @Test(arguments: [[], [0, 0, 0], [UInt8](repeating: 0, count: 512) + [7]])
  func whatAKilledWriterLeftIsTakenOver(_ content: [UInt8]) throws {
    directory.write("m.vq4.partial", content)
    try TestModel.write(TestModel.small, to: path, layout: .map)
    #expect(directory.names() == ["m.vq4"])
  }

  @Test func aCompletePartialFileIsTakenOver() throws {
    directory.write("m.vq4.partial", try TestModel.smallFile())
    try TestModel.write(TestModel.small, to: path, layout: .map)
    #expect(directory.names() == ["m.vq4"])
  }

  @Test func hardLinksAreLeftAlone() throws {
    let content = try TestModel.smallFile()
    directory.write("other", content)
    #expect(link(directory.file("other"), path + ".partial") == 0)
    expectRefusal("another name")
    #expect(try Fixtures.readFile(directory.file("other")) == content)
    #expect(directory.names() == ["m.vq4.partial", "other"])
  }

  @Test func symbolicLinksAreLeftAlone() throws {
    directory.write("other", "")
    for target in ["other", "nothing"] {
      #expect(symlink(target, path + ".partial") == 0)
      expectRefusal("no regular file")
      #expect(unlink(path + ".partial") == 0)
    }
    #expect(directory.names() == ["other"])
  }

  @Test func pipesAreLeftAlone() {
    #expect(mkfifo(path + ".partial", 0o600) == 0)
    expectRefusal("no regular file")
    #expect(directory.names() == ["m.vq4.partial"])
  }
}
