import Testing
import VARCheckpoint
import VARConversion
import VARQuantization
import VARTestSupport

/// What the check says of whole files.
@Suite struct ConversionCheckTests {
  /// Makes `small.vq4` of a checkpoint in `folder`.
  private func convert(
    _ small: SmallCheckpoint, recipe: String, in folder: TemporaryDirectory
  ) throws {
    small.write(to: folder.path)
    _ = try Conversion(
      of: Checkpoint(path: folder.path),
      options: ConversionOptions(recipe: try Recipe(builtIn: recipe), threadCount: 2)
    ).write(to: folder.file("small.vq4"))
  }

  private func check(
    _ folder: TemporaryDirectory, threadCount: Int = 2
  ) throws -> [ConversionCheck.Row] {
    try ConversionCheck(
      of: folder.file("small.vq4"), against: Checkpoint(path: folder.path)
    ).run(threadCount: threadCount)
  }

  private func row(
    _ name: String, _ rows: [ConversionCheck.Row]
  ) throws -> ConversionCheck.Row {
    try #require(rows.first { $0.name == name })
  }

  /// Weights that int8 holds exactly, with the ends of the range and zeros among them.
  @Test func plantedValuesAreCounted() throws {
    let folder = TemporaryDirectory()
    var small = SmallCheckpoint()
    let (name, cols) = ("lm_head.weight", SmallCheckpoint.hiddenSize)
    let line = [127, -127, 127, 0, 0] + (0..<cols - 5).map { $0 % 60 + 1 }
    let count = small[name].values.count
    small[name].values = (0..<count).map { Float(line[$0 % cols]) / 128 }
    try convert(small, recipe: "int8", in: folder)
    let exact = try row(name, check(folder))
    #expect(exact.precision == .int8 && exact.isWithinLimit && exact.errorOverLimit == 0)
    #expect(exact.comparison.largestError == 0)
    #expect(exact.comparison.elementCount == count)
    #expect(exact.comparison.saturatedShare == 3 / Double(cols))
    #expect(exact.comparison.zeroShare == 2 / Double(cols))
    #expect(exact.bitsPerWeight == 8 + 16.0 / 64)
    #expect(exact.size.byteCount == count + count / 64 * 2)

    small[name].values[5 * cols + 3] = 0.5
    small.write(to: folder.path)
    let changed = try row(name, check(folder)).comparison
    let signal = line.reduce(0) { $0 + Double($1 * $1) / 16384 } * Double(count / cols) + 0.25
    #expect(changed.largestError == 0.5)
    #expect(abs(changed.error.relative - 0.5 / signal.squareRoot()) < 1e-12)
    #expect(
      abs(changed.largestErrorOverRootMeanSquare - 0.5 / (signal / Double(count)).squareRoot())
        < 1e-12)
    #expect(changed.saturatedShare == 3 / Double(cols))
  }

  @Test func bitsCountTheScales() throws {
    let folder = TemporaryDirectory()
    try convert(SmallCheckpoint(), recipe: "int4", in: folder)
    let rows = try check(folder)
    // Groups of 32 with a scale of 8 bits, and superscales of 16 bits for a row of 64.
    let gate = try row("model.layers.0.mlp.gate_proj.weight", rows)
    #expect(gate.precision == .int4 && gate.bitsPerWeight == 4 + 8.0 / 32 + 16.0 / 64)
    #expect(gate.comparison.saturatedShare > 0 && gate.comparison.saturatedShare < 0.2)
    #expect(try row("visual.patch_embed.proj.weight", rows).bitsPerWeight == 16)
    #expect(try row("model.norm.weight", rows).bitsPerWeight == 32)
  }

  @Test(arguments: ["int4", "balanced"])
  func theNumberOfThreadsChangesNothing(recipe: String) throws {
    let folder = TemporaryDirectory()
    try convert(SmallCheckpoint(), recipe: recipe, in: folder)
    let rows = try check(folder, threadCount: 1)
    for threadCount in [2, 7] {
      let others = try check(folder, threadCount: threadCount)
      #expect(rows.map(\.name) == others.map(\.name))
      #expect(rows.map(\.comparison) == others.map(\.comparison))
    }
  }

  @Test func theSummaryNamesTheWorst() throws {
    let folder = TemporaryDirectory()
    var small = SmallCheckpoint()
    try convert(small, recipe: "int4", in: folder)
    small["lm_head.weight"].values.reverse()
    small["model.norm.weight"].values[3] += 0.5
    small.write(to: folder.path)
    let rows = try check(folder)
    let summary = ConversionCheck.Summary(rows)
    #expect(summary.failureCount == 2)
    #expect(summary.worst.count == 10)
    #expect(summary.worst.prefix(2).map(\.name) == ["model.norm.weight", "lm_head.weight"])
    let errors = summary.worst.map(\.errorOverLimit)
    #expect(errors == errors.sorted(by: >) && errors[0] == .infinity && errors[2] < 1)
    #expect(errors.last! >= rows.map(\.errorOverLimit).sorted(by: >)[9])

    #expect(summary.total.tensorCount == rows.count)
    #expect(summary.totals.map(\.precision) == [.int4, .int8, .f16, .f32])
    let parts = summary.totals.map(\.total)
    #expect(parts.reduce(0) { $0 + $1.tensorCount } == rows.count)
    #expect(
      parts.reduce(0) { $0 + $1.size.byteCount } == rows.reduce(0) { $0 + $1.size.byteCount })
    #expect(
      summary.total.comparison.elementCount
        == rows.reduce(0) { $0 + $1.comparison.elementCount })
    #expect(summary.total.size.storedByteCount <= summary.total.size.byteCount)
  }
}
