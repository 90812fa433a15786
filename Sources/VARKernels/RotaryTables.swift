import CVARKernels

/// Cosines and sines of the angles that a rotary embedding turns rows by: `[rows, headDim / 2]` each.
package struct RotaryTables {
  package let cosines, sines: Rows

  /// Places of both tables in a plan.
  package struct Layout: Sendable {
    let cosines, sines: MemoryPlan.RowsID
  }

  package static func reserve(
    _ plan: inout MemoryPlan, _ name: String, rows: Int, headDim: Int
  ) -> Layout {
    Layout(
      cosines: plan.reserve(name + ".cos", rows: rows, columns: headDim / 2),
      sines: plan.reserve(name + ".sin", rows: rows, columns: headDim / 2))
  }

  package init(_ layout: Layout, arena: Arena) {
    self.init(cosines: arena.rows(layout.cosines), sines: arena.rows(layout.sines))
  }

  package init(cosines: Rows, sines: Rows) {
    precondition(cosines.hasShape(of: sines), "a sine for each cosine")
    self.cosines = cosines
    self.sines = sines
  }

  /// The tables of some rows.
  package subscript(rows: Range<Int>) -> RotaryTables {
    RotaryTables(cosines: cosines[rows], sines: sines[rows])
  }

  /// Sets one angle of a row, in radians.
  package func set(_ angle: Float, row: Int, index: Int) {
    cosines[row][index] = cvar_cos(angle)
    sines[row][index] = cvar_sin(angle)
  }

  /// Sets the angles of a place on a grid, `[y * f, x * f]` for the frequencies f.
  ///
  /// - Parameter frequencies: as many as a quarter of a head.
  package func set(row: Int, y: Int, x: Int, frequencies: UnsafePointer<Float>) {
    let quarter = cosines.columns / 2
    for index in 0..<quarter {
      set(Float(y) * frequencies[index], row: row, index: index)
      set(Float(x) * frequencies[index], row: row, index: quarter + index)
    }
  }
}
