import Testing
import VARSystem
import VARTestSupport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Pages of memory and of files without a name.
@Suite struct MemoryPagesTests {
  @Test func bytesTakeWholePages() {
    let page = MemoryPages.byteCount
    #expect([0, 1, page, page + 1].map(MemoryPages.roundedUp) == [0, page, page, 2 * page])
  }

  @Test func aFileWithoutANameLendsItsPages() throws {
    let folder = TemporaryDirectory()
    let memory = try UnnamedFileMemory(byteCount: 100_000, in: folder.path)
    #expect(folder.names().isEmpty)
    let bytes = UnsafeMutableRawBufferPointer(start: memory.base, count: 100_000)
    #expect(bytes.allSatisfy { $0 == 0 })
    bytes[99_999] = 7
    #expect(MemoryPages.isResident(memory.base))
    #expect(throws: SystemError(.create, ENOENT)) {
      try UnnamedFileMemory(byteCount: 1, in: folder.file("none"))
    }
  }
}
