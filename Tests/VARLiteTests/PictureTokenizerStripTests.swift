import Testing
import VARKernels
import VARLite
import VARModels
import VARSystem
import VARTestSupport
import VQ4Format

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The picture tokenizer gives the same bits however high its strips are, 1 row or the whole map.
@Suite struct PictureTokenizerStripTests {
  struct Case: Sendable, CustomStringConvertible {
    let recipe: String
    let grid: GridSize
    var description: String { "\(recipe), \(grid.height)x\(grid.width)" }
  }

  /// A decoder or encoder with threads.
  private struct Machine {
    let model: Model
    let weights: ModelWeights
    let run: RunContext
    let threadCount: Int
    private let arena: Arena

    init(recipe: String, threadCount: Int) throws {
      model = try Model(path: TinyModel.path(recipe: recipe))
      weights = try ModelWeights(
        source: model.sources.source(.map), tensors: model.configuration.tensors)
      self.threadCount = threadCount
      var plan = MemoryPlan()
      let scratch = Compute.reserve(&plan, maximumColumns: 1024)
      arena = try #require(Arena(plan))
      run = RunContext(
        compute: Compute(
          instructionSet: .best, pool: try #require(ThreadPool(threadCount: threadCount)),
          arena: arena, scratch: scratch))
    }

    /// A workspace full of NaN, and what lies behind it.
    func workspace(
      _ reserve: (inout MemoryPlan) -> VAEWorkspace.Layout
    ) throws -> (VAEWorkspace, Arena, UnsafeMutableRawBufferPointer) {
      var plan = MemoryPlan()
      let layout = reserve(&plan)
      let end = plan.reserve("end", byteCount: 64)
      let arena = try #require(Arena(plan))
      let behind = UnsafeMutableRawBufferPointer(start: arena.raw(end), count: 64)
      let all = arena.raw(end) - (plan.byteCount - 64)
      memset(all, 0xFF, plan.byteCount)
      return (VAEWorkspace(layout, arena: arena), arena, behind)
    }

    func decode(_ codes: [Float], grid: GridSize, stripRows: Int?) throws -> [UInt32] {
      let decoder = VAEDecoder(model.configuration.vae, weights: weights)
      let (workspace, arena, behind) = try workspace {
        decoder.reserve(&$0, grid: grid, threadCount: threadCount, stripRows: stripRows)
      }
      let width = grid.width * model.configuration.vae.stride
      var pixels: [UInt32] = []
      var levels: [Int] = []
      try codes.withRows(columns: model.configuration.vae.codebookDim) { codes in
        try decoder.decode(
          codes, workspace: workspace, run,
          progress: { level, count in levels.append(10 * level + count) },
          pixels: { rows, values in
            #expect(rows.lowerBound == pixels.count / (width * 3))
            #expect(values.count == rows.count && values.columns == width * 3)
            pixels += values.values.map(\.bitPattern)
          })
      }
      #expect(levels == [15, 25, 35, 45, 55])
      #expect(behind.allSatisfy { $0 == 0xFF }, "the decoder writes past its memory")
      return withExtendedLifetime(arena) { pixels }
    }

    func encode(_ pixels: [Float], grid: GridSize, stripRows: Int?) throws -> [UInt32] {
      let encoder = VAEEncoder(model.configuration.vae, weights: weights)
      let (workspace, arena, behind) = try workspace {
        encoder.reserve(&$0, grid: grid, threadCount: threadCount, stripRows: stripRows)
      }
      let features = try encoder.encode(pixels, grid: grid, workspace: workspace, run)
      #expect(behind.allSatisfy { $0 == 0xFF }, "the encoder writes past its memory")
      return withExtendedLifetime(arena) { features.map(\.bitPattern) }
    }
  }

  private static func random(_ count: Int) -> [Float] {
    var state: UInt32 = 21
    return (0..<count).map { _ in
      state = state &* 1_664_525 &+ 1_013_904_223
      return Float(Int32(bitPattern: state) >> 8) * 0x1p-23
    }
  }

  /// Rows of a strip and threads; whole maps in one strip on one thread give what is expected.
  private static let conditions: [(Int?, Int)] = [
    (1, 1), (3, 2), (4, 3), (20, 2), (nil, 1), (nil, 2), (nil, 7),
  ]

  static let cases = ["f32", "f16", "int8"].flatMap { recipe in
    [(8, 8), (3, 7), (9, 2)].map {
      Case(recipe: recipe, grid: GridSize(height: $0.0, width: $0.1))
    }
  }

  @Test(arguments: cases) func decodersGiveTheSameBits(_ test: Case) throws {
    let whole = try Machine(recipe: test.recipe, threadCount: 1)
    let codes = Self.random(test.grid.tokenCount * whole.model.configuration.vae.codebookDim)
    let expected = try whole.decode(codes, grid: test.grid, stripRows: 100_000)
    #expect(Set(expected).count > 1000)
    for (stripRows, threadCount) in Self.conditions {
      let machine = try Machine(recipe: test.recipe, threadCount: threadCount)
      let found = try machine.decode(codes, grid: test.grid, stripRows: stripRows)
      #expect(found == expected, "strips of \(stripRows ?? 0), \(threadCount) threads")
    }
  }

  @Test(arguments: cases.filter { $0.recipe != "int8" })
  func encodersGiveTheSameBits(_ test: Case) throws {
    let whole = try Machine(recipe: test.recipe, threadCount: 1)
    let pixels = Self.random(test.grid.tokenCount * 16 * 16 * 3)
    let expected = try whole.encode(pixels, grid: test.grid, stripRows: 100_000)
    #expect(Set(expected).count > 50)
    for (stripRows, threadCount) in Self.conditions {
      let machine = try Machine(recipe: test.recipe, threadCount: threadCount)
      let found = try machine.encode(pixels, grid: test.grid, stripRows: stripRows)
      #expect(found == expected, "strips of \(stripRows ?? 0), \(threadCount) threads")
    }
  }

  /// Maps in f16 are those of every file whose decoder is not all f32; they cost little.
  @Test func halfMapsStayClose() throws {
    let grid = GridSize(height: 8, width: 8)
    let exact = try Machine(recipe: "f32", threadCount: 2)
    let codes = Self.random(grid.tokenCount * exact.model.configuration.vae.codebookDim)
    func pixels(_ machine: Machine) throws -> [Double] {
      try machine.decode(codes, grid: grid, stripRows: nil).map {
        Double(Float(bitPattern: $0))
      }
    }
    let expected = try pixels(exact)
    let found = try pixels(Machine(recipe: "f16", threadCount: 2))
    let squares = zip(expected, found).map { ($0 - $1) * ($0 - $1) }
    let error = (squares.reduce(0, +) / Double(squares.count)).squareRoot()
    #expect(error > 1e-6 && error < 2e-3, "\(error)")
  }
}
