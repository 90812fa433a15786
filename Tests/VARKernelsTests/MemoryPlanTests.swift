import Testing
import VARKernels

/// The one block of memory of a plan.
@Suite struct MemoryPlanTests {
  @Test func buffersAreAlignedAndApart() throws {
    var plan = MemoryPlan()
    let sizes = [1, 64, 0, 63, 65, 4096, 3]
    let ids = sizes.enumerated().map { plan.reserve("buffer \($0.offset)", byteCount: $0.element) }
    #expect(plan.buffers.map(\.byteCount) == sizes)
    #expect(plan.buffers.map(\.name) == sizes.indices.map { "buffer \($0)" })
    #expect(plan.byteCount == 64 + 64 + 0 + 64 + 128 + 4096 + 64)
    let arena = try #require(Arena(plan))
    for (index, id) in ids.enumerated() {
      #expect(UInt(bitPattern: arena.raw(id)) % 64 == 0)
      arena.raw(id).initializeMemory(
        as: UInt8.self, repeating: UInt8(index + 1), count: sizes[index])
    }
    for (index, id) in ids.enumerated() {
      let bytes = UnsafeRawBufferPointer(start: arena.raw(id), count: sizes[index])
      #expect(bytes.allSatisfy { $0 == UInt8(index + 1) }, "buffer \(index)")
    }
  }

  @Test func memoryStartsAtZero() throws {
    var plan = MemoryPlan()
    let id = plan.reserve("floats", floats: 1000)
    #expect(plan.byteCount == 4032)
    let arena = try #require(Arena(plan))
    let floats = UnsafeBufferPointer(start: arena.floats(id), count: 1000)
    #expect(floats.allSatisfy { $0 == 0 })
  }

  @Test func whatTheSystemRefusesIsNil() {
    var plan = MemoryPlan()
    _ = plan.reserve("too much", byteCount: 1 << 60)
    #expect(Arena(plan) == nil)
  }

  @Test func anEmptyPlanIsServed() { #expect(Arena(MemoryPlan()) != nil) }
}
