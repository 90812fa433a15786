import Testing
import VARCalibration
import VARCheckpoint
import VARConversion
import VARForcedRun
import VARKernels
import VARLite
import VARModels
import VARQuantization
import VARSystem
import VARTestSupport
import VARVision

/// Calibrations sum what they say they sum, and a stop loses nothing.
@Suite struct CalibrationRunTests {
  private static func cases(_ model: Model) -> [ForcedCase] {
    SceneCases.cases(.calibration, for: model, limit: 1)
  }

  private static func options(
    isCancelled: @escaping () -> Bool = { false }
  ) -> ForcedRun.Options {
    ForcedRun.Options(isCancelled: isCancelled, progress: { _, _, _ in })
  }

  private func write(
    _ cases: [ForcedCase], _ model: Model, to path: String, resumes: Bool = false,
    for recipe: Recipe? = nil, isCancelled: @escaping () -> Bool = { false }
  ) throws {
    try Calibration(
      model, cases: cases, blockCols: 128, for: recipe, Self.options(isCancelled: isCancelled)
    ).write(to: .init(path, resumes: resumes, secondsBetweenStates: 0))
  }

  /// Weighted sums in f64, one product after the other.
  private final class PlainSums: ForcedRunWatcher {
    var weights: [Double] = []
    var seen: [Int: Int] = [:]
    var sums: [Int: [Double]] = [:]
    var weightSums: [Int: Double] = [:]

    func begin(_ kinds: TokenKinds) {
      weights = kinds.counts.map { 1 / Double($0).squareRoot() }
      seen = [:]
    }

    func observe(_ site: LinearSite, _ input: Rows) {
      let cols = input.columns
      var sum = sums[site.tensor] ?? [Double](repeating: 0, count: cols * cols)
      for row in 0..<input.count {
        let weight = weights[seen[site.tensor, default: 0]]
        seen[site.tensor, default: 0] += 1
        weightSums[site.tensor, default: 0] += weight
        for a in 0..<cols {
          for b in 0...a {
            sum[a * cols + b] += weight * Double(input[row][a]) * Double(input[row][b])
          }
        }
      }
      sums[site.tensor] = sum
    }
  }

  @Test func sumsAreThoseOfTheInputs() throws {
    let folder = TemporaryDirectory()
    let model = try TinyModel.f32()
    let cases = Self.cases(model)
    try write(cases, model, to: folder.file("c"))
    let file = try CalibrationFile(path: folder.file("c"))
    let plain = PlainSums()
    let prepared = try PreparedCase.prepare(cases, model, Self.options())
    try ForcedRun(model, cases: prepared, Self.options(), watcher: plain).run()
    #expect(file.inputs.count > 20)
    for input in file.inputs {
      let index = try #require(model.file.tensorIndex(named: input.name))
      let (sums, weight) = (try #require(plain.sums[index]), try #require(plain.weightSums[index]))
      let moments = try #require(try file.storedMoments(of: input.name, cols: input.cols))
      #expect(input.tokenCount == plain.seen[index] || input.tokenCount > 0)
      #expect(abs(input.weightSum - weight) <= weight * 1e-5, "\(input.name)")
      let largest = (0..<input.cols).map { sums[$0 * input.cols + $0] / weight }.max() ?? 0
      var next = 0
      for block in moments.blocks {
        for row in block {
          for column in block.lowerBound...row {
            let expected = sums[row * input.cols + column] / weight
            let found = Double(moments.triangles[next])
            #expect(abs(found - expected) <= largest * 1e-5, "\(input.name) \(row) \(column)")
            next += 1
          }
        }
      }
    }
  }

  private final class Counter: @unchecked Sendable { var left = 0 }

  /// Writes a whole calibration; how often that asks whether it is to stop.
  private func checkCount(
    _ cases: [ForcedCase], _ model: Model, to path: String, for recipe: Recipe? = nil
  ) throws -> Int {
    let counter = Counter()
    try write(cases, model, to: path, for: recipe) {
      counter.left += 1
      return false
    }
    return counter.left
  }

  @Test(arguments: [nil, "int4"]) func aStoppedRunGoesOnToTheSameBytes(name: String?) throws {
    let folder = TemporaryDirectory()
    let model = try TinyModel.f32()
    let cases = Self.cases(model)
    let recipe = try name.map { try Recipe(builtIn: $0) }
    let all = try checkCount(cases, model, to: folder.file("whole"), for: recipe)
    let whole = try Fixtures.readFile(folder.file("whole"))
    let counter = Counter()
    // A run that begins anew asks as often as all its layers do, one that goes on asks less.
    for step in [all / 2, all / 3, all * 9 / 10] {
      var stopCount = 0
      while true {
        counter.left = step
        do {
          try write(cases, model, to: folder.file("c"), resumes: true, for: recipe) {
            counter.left -= 1
            return counter.left < 0
          }
          break
        } catch let error as ModelError {
          #expect(error.code == .cancelled)
          stopCount += 1
          #expect(!folder.names().contains("c"))
          // What is done is not done again, so that the next stop comes later.
          try #require(stopCount < 20)
        }
      }
      #expect(try Fixtures.readFile(folder.file("c")) == whole, "\(step)")
      #expect(folder.names() == ["c", "whole"])
      FileTree.remove(folder.file("c"))
      #expect(stopCount > 0)
    }
  }

  @Test func whatIsNotOursIsRefused() throws {
    let folder = TemporaryDirectory()
    let model = try TinyModel.f32()
    let cases = Self.cases(model)
    for name in ["c.partial", "c.state"] {
      folder.write(name, "Keep this.")
      #expect(throws: (any Error).self) {
        try write(cases, model, to: folder.file("c"), resumes: true)
      }
      #expect(try Fixtures.readFile(folder.file(name)) == Array("Keep this.".utf8))
      FileTree.remove(folder.file(name))
    }
  }

  /// A state goes on with nothing but the file that was written with it.
  @Test func aStateAloneIsRefused() throws {
    let folder = TemporaryDirectory()
    let model = try TinyModel.f32()
    let cases = Self.cases(model)
    let counter = Counter()
    counter.left = try checkCount(cases, model, to: folder.file("whole")) * 2 / 3
    FileTree.remove(folder.file("whole"))
    #expect(throws: ModelError.self) {
      try write(cases, model, to: folder.file("c")) {
        counter.left -= 1
        return counter.left < 0
      }
    }
    #expect(folder.names().sorted() == ["c.partial", "c.state"])
    let partial = try Fixtures.readFile(folder.file("c.partial"))
    for bytes in [nil, Array(partial.dropLast()), [UInt8](repeating: 0, count: partial.count)] {
      FileTree.remove(folder.file("c.partial"))
      if let bytes { folder.write("c.partial", bytes) }
      #expect(throws: CalibrationRefusal.self) {
        try write(cases, model, to: folder.file("c"), resumes: true)
      }
      #expect(!folder.names().contains("c") && folder.names().contains("c.state"))
    }
    #expect(throws: CalibrationRefusal.self) { try write(cases, model, to: folder.file("c")) }
    let prepared = try PreparedCase.prepare(cases, model, Self.options())
    let fits = { ForcedRun.fits($0, prepared, model.configuration, rounds: false) }
    for stage in ForcedRunState.Stage.allCases {
      #expect(!fits(ForcedRunState(stage: stage, layer: 0, values: [])))
      #expect(!fits(ForcedRunState(stage: stage, layer: .max, values: [[1]])))
    }
    #expect(throws: VARLiteError.self) { try write([], model, to: folder.file("d")) }
  }

  /// What a layer-by-layer rounding took for the inputs of rounded layers is what they get in the converted model.
  @Test func roundedInputsAreThoseOfTheConvertedModel() throws {
    let folder = TemporaryDirectory()
    let model = try TinyModel.f32()
    let cases = Self.cases(model)
    let recipe = try Recipe(
      parsing: """
        { "recipe_version": 1, "name": "generator", "architecture": "vargpt_v1_1", "rules": [
          { "match": "vargpt_gen.blocks.*.ffn.*.weight", "precision": "int8" },
          { "match": "vargpt_gen.blocks.**", "precision": "int4" },
          { "match": "vargpt_gen.head.weight", "precision": "f16" },
          { "match": "**", "precision": "f32" } ] }
        """, source: "of the test")
    try write(cases, model, to: folder.file("c"), for: recipe)
    var options = ConversionOptions(recipe: recipe, layout: .map)
    options.calibration = try CalibrationFile(path: folder.file("c"))
    let checkpoint = try Checkpoint(path: Fixtures.path("tiny"))
    _ = try Conversion(of: checkpoint, options: options).write(to: folder.file("m.vq4"))
    let converted = try Model(path: folder.file("m.vq4"))
    try write(cases, converted, to: folder.file("of-converted"))
    try write(cases, model, to: folder.file("plain"))
    let (expected, found, plain) = (
      try CalibrationFile(path: folder.file("of-converted")),
      try CalibrationFile(path: folder.file("c")), try CalibrationFile(path: folder.file("plain"))
    )
    #expect(found.recipe?.name == "generator" && expected.recipe == nil)
    var (driftCount, changedCount) = (0, 0)
    for input in found.inputs {
      func moments(_ file: CalibrationFile) throws -> SecondMoments {
        try #require(try file.storedMoments(of: input.name, cols: input.cols))
      }
      let own = try moments(found)
      #expect(own.triangles == (try moments(expected)).triangles, "\(input.name)")
      let (means, others) = (
        try found.columns(of: input.name).means, try expected.columns(of: input.name).means
      )
      #expect(means == others, "\(input.name)")
      driftCount += own.drift == nil ? 0 : 1
      if own.triangles != (try moments(plain)).triangles { changedCount += 1 }
      guard let drift = own.drift else { continue }
      let original = try plain.columns(of: input.name).means
      for column in 0..<input.cols {
        let sum = means[column] + drift.means[column]
        #expect(abs(sum - original[column]) <= 1e-5 * max(1, abs(sum)), "\(input.name)")
      }
    }
    // Six layers of each block and the head; what goes into the first of them has not drifted yet.
    #expect(driftCount == 6 * model.configuration.generator.depth + 1)
    #expect(changedCount == driftCount - 1)
    #expect(throws: VARLiteError.self) { try CalibrationMerge([found, found]) }
    #expect(throws: CheckpointError.self) {
      var other = options
      other.recipe = try Recipe(builtIn: "int4")
      _ = try Conversion(of: checkpoint, options: other)
    }
  }

  @Test func halvesMakeAWhole() throws {
    let folder = TemporaryDirectory()
    let model = try TinyModel.f32()
    let cases = Self.cases(model)
    #expect(cases.count == 3)
    try write(cases, model, to: folder.file("whole"))
    try write(Array(cases[..<1]), model, to: folder.file("a"))
    try write(Array(cases[1...]), model, to: folder.file("b"))
    let files = try ["a", "b"].map { try CalibrationFile(path: folder.file($0)) }
    try CalibrationMerge(files).write(to: .init(folder.file("merged")))
    let (whole, merged) = (
      try CalibrationFile(path: folder.file("whole")),
      try CalibrationFile(path: folder.file("merged"))
    )
    #expect(whole.inputs.count == merged.inputs.count)
    for (one, other) in zip(
      whole.inputs.sorted { $0.name < $1.name }, merged.inputs.sorted { $0.name < $1.name })
    {
      #expect(one.name == other.name && one.tokenCount == other.tokenCount)
      #expect(abs(one.kurtosis - other.kurtosis) <= one.kurtosis * 1e-4, "\(one.name)")
      let first = try #require(try whole.storedMoments(of: one.name, cols: one.cols)).triangles
      let second = try #require(try merged.storedMoments(of: one.name, cols: one.cols)).triangles
      let largest = first.max() ?? 0
      #expect(zip(first, second).allSatisfy { abs($0 - $1) <= largest * 1e-6 }, "\(one.name)")
    }
    let other = try Model(path: TinyModel.path(recipe: "int8"))
    // Rounded twice it would not be what a conversion makes of the checkpoint.
    #expect(throws: VARLiteError.self) {
      try write(cases, other, to: folder.file("d"), for: Recipe(builtIn: "int4"))
    }
    #expect(!folder.names().contains("d"))
    try write(Array(cases[..<1]), other, to: folder.file("other"))
    let wrong = try CalibrationFile(path: folder.file("other"))
    #expect(throws: VARLiteError.self) { try CalibrationMerge([files[0], wrong]) }
  }

  /// f16 holds a checkpoint in bf16, which its values tell; what bf16 or integers come from is not known.
  @Test func roundedLayersNeedTheCheckpointsWeights() throws {
    let folder = TemporaryDirectory()
    let checkpoint = try Checkpoint(path: Fixtures.path("tiny"))
    let recipe = try Recipe(builtIn: "int4")
    for (precision, isTaken) in [("f16", true), ("bf16", false), ("int8", false)] {
      let other = try Recipe(
        parsing: """
          { "recipe_version": 1, "name": "\(precision)", "architecture": "vargpt_v1_1", "rules": [
            { "match": "vargpt_gen.blocks.**", "precision": "\(precision)" },
            { "match": "**", "precision": "f32" } ] }
          """, source: "of the test")
      let path = folder.file("\(precision).vq4")
      let options = ConversionOptions(recipe: other, layout: .map)
      _ = try Conversion(of: checkpoint, options: options).write(to: path)
      let model = try Model(path: path)
      let prepare = {
        _ = try Calibration(
          model, cases: Self.cases(model), blockCols: 128, for: recipe, Self.options())
      }
      if isTaken {
        try prepare()
      } else {
        let error = try #require(throws: VARLiteError.self) { try prepare() }
        #expect(error.category == .model)
        #expect("\(error)".contains("in \(precision), ") && "\(error)".contains(path))
      }
    }
  }

  @Test func aRecipeNeedsCasesThatDraw() throws {
    let folder = TemporaryDirectory()
    let model = try TinyModel.f32()
    let cases = Self.cases(model).filter { $0.picture == nil }
    let error = try #require(throws: VARLiteError.self) {
      try write(cases, model, to: folder.file("c"), for: Recipe(builtIn: "int4"))
    }
    #expect(error.category == .request)
    #expect(
      error.detail == "recipe int4: no case draws, and only what draws is rounded; give cases with "
        + "pictures, or calibrate for every recipe")
    #expect(folder.names().isEmpty)
  }

  /// No scene that models are measured on is one that they were calibrated on.
  @Test func usesShareNoScene() throws {
    let model = try TinyModel.f32()
    func texts(_ use: SceneCases.Use) throws -> Set<[UInt8]> {
      Set(
        try SceneCases.cases(use, for: model, limit: 40).filter { $0.picture != nil }.map {
          let picture = try #require($0.picture)
          return try picture.decoded(target: .sides(96), byteCount: 1 << 20).pixels
        })
    }
    let (calibration, accuracy) = (try texts(.calibration), try texts(.accuracy))
    #expect(calibration.count > 10 && accuracy.count > 10)
    #expect(calibration.isDisjoint(with: accuracy))
  }
}
