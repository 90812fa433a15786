import Testing
import VARLite
import VARSystem
import VARTestSupport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// What a request may take where nobody says how much.
@Suite struct DefaultBudgetTests {
  @Test func aSixteenthOfTheMachineStaysWithTheSystem() throws {
    let folder = TemporaryDirectory()
    mkdir(folder.file("proc"), 0o700)
    folder.write("proc/meminfo", "MemTotal: 8000000 kB\nMemAvailable: 7000000 kB\n")
    let memory = try #require(SystemMemory.current(root: folder.path))
    #expect(memory.defaultBudgetBytes == 7_000_000 << 10 - 500_000 << 10)
  }
}
