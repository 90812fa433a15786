import Testing
import VARSystem

/// What the system says about this very process.
@Suite struct ProcessMemoryTests {
  @Test func thePeakIsNotBelowWhatIsThere() throws {
    let memory = try #require(ProcessMemory.current())
    let peak = try #require(ProcessMemory.peakByteCount())
    #expect(memory.anonymousByteCount > 0)
    // The test program alone is larger.
    #expect(memory.fileByteCount > 1 << 20)
    // Kernels count some pages late.
    #expect(memory.byteCount <= peak + (4 << 20))
  }
}
