import Testing
import VARSystem

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

@Suite struct AnonymousMemoryTests {
  private let pageBytes = Int(sysconf(Int32(_SC_PAGESIZE)))

  private func residentPages(_ memory: AnonymousMemory, _ byteCount: Int) -> Int {
    var states = [UInt8](repeating: 0, count: (byteCount + pageBytes - 1) / pageBytes)
    #expect(mincore(memory.base, byteCount, &states) == 0)
    return states.count { $0 & 1 == 1 }
  }

  @Test(arguments: [0, 1, 5000, 2 << 20, (7 << 20) + 12345])
  func blocksAreZeroAndBeginWithAPage(byteCount: Int) throws {
    let memory = try #require(AnonymousMemory(byteCount: byteCount))
    let isHuge = byteCount >= AnonymousMemory.hugePageBytes && pageBytes == 4096
    let address = UInt(bitPattern: memory.base)
    #expect(address % UInt(isHuge ? AnonymousMemory.hugePageBytes : pageBytes) == 0)
    #expect(
      UnsafeRawBufferPointer(start: memory.base, count: max(byteCount, 1)).allSatisfy { $0 == 0 })
  }

  /// What is written stays as it is.
  @Test func pagesAreProvidedAroundWhatIsWritten() throws {
    let byteCount = 5 << 20
    let memory = try #require(AnonymousMemory(byteCount: byteCount))
    let written = stride(from: 77, to: byteCount, by: 1 << 20)
    for offset in written { memory.base.storeBytes(of: 0xA5, toByteOffset: offset, as: UInt8.self) }
    let pages = UnsafeMutableRawBufferPointer(start: memory.base, count: byteCount)
    guard AnonymousMemory.provide(pages) else {
      // Linux before 5.14.
      #expect(errno == EINVAL)
      return
    }
    #expect(residentPages(memory, byteCount) == byteCount / pageBytes)
    #expect(pages.indices.allSatisfy { (pages[$0] == 0xA5) == ($0 % (1 << 20) == 77) })
  }
}
