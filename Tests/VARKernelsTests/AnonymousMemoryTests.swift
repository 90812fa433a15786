import Testing
import VARKernels

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

@Suite struct AnonymousMemoryTests {
  private let pageBytes = Int(sysconf(Int32(_SC_PAGESIZE)))

  @Test(arguments: [0, 1, 5000, 2 << 20, (7 << 20) + 12345])
  func blocksAreZeroAndBeginWithAPage(byteCount: Int) throws {
    let memory = try #require(AnonymousMemory(byteCount: byteCount))
    let isHuge = byteCount >= AnonymousMemory.hugePageBytes && pageBytes == 4096
    let address = UInt(bitPattern: memory.base)
    #expect(address % UInt(isHuge ? AnonymousMemory.hugePageBytes : pageBytes) == 0)
    #expect(
      UnsafeRawBufferPointer(start: memory.base, count: max(byteCount, 1)).allSatisfy { $0 == 0 })
  }
}
