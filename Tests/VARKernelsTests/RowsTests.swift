import Testing
import VARKernels

/// Views of rows, and buffers that share memory.
@Suite struct RowsTests {
  @Test func slicesAreViews() {
    var memory = (0..<12).map { Float($0) }
    memory.withMutableRows(columns: 3) { rows in
      #expect(rows.count == 4 && rows.columns == 3 && rows.isContiguous)
      let middle = rows[1..<3][columns: 1..<3]
      #expect(middle.count == 2 && middle.columns == 2 && middle.stride == 3)
      #expect(!middle.isContiguous && middle[..<1].isContiguous)
      #expect(middle[0][0] == 4 && middle[1][1] == 8 && middle.last[0][0] == 7)
      middle.copy(from: rows[..<2][columns: 0..<2])
      #expect(rows.joined(2).columns == 6 && rows.joined(2)[1][0] == 6)
      #expect(rows[2..<2].count == 0)
    }
    #expect(memory == [0, 1, 2, 3, 0, 1, 6, 3, 0, 9, 10, 11])
    let sum = memory.withRows(columns: 4) { $0[1..<3].values.reduce(0, +) }
    #expect(sum == 0 + 1 + 6 + 3 + 0 + 9 + 10 + 11)
  }

  @Test func buffersMayShareMemory() throws {
    var plan = MemoryPlan()
    let wide = plan.reserve("wide", rows: 4, columns: 6)
    let narrow = wide.shared(columns: 2)
    let long = wide.shared(rows: 1, columns: 24)
    #expect(plan.buffers.map(\.byteCount) == [4 * 6 * 4])
    let arena = try #require(Arena(plan))
    let rows = arena.rows(narrow)
    #expect(rows.count == 4 && rows.columns == 2 && rows.stride == 2)
    arena.rows(wide)[0][7] = 5
    #expect(rows[3][1] == 5)
    #expect(arena.rows(long)[0][7] == 5)
  }
}
