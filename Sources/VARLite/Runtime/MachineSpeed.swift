import CVARKernels
import VARKernels
import VARModels
import VARSystem
import VQ4Format

/// What this machine does per second, from a measurement of about half a second.
public struct MachineSpeed: Sendable {
  /// Multiply-adds per second in products with int4 weights and many rows of activations.
  public let quantizedOperations: Double
  /// Multiply-adds per second in products with float weights.
  public let floatOperations: Double
  /// Bytes of int4 weights per second in products with one row, as each token of a text takes them.
  public let weightBytes: Double
  /// Bytes per second of reading the model's file from its disk, past the page cache where the system allows.
  public let diskBytes: Double
  /// The share of its processors that the measurement got: less than 1 where other programs run, and then the figures
  /// are those of what is left.
  public let processorShare: Double

  /// Measures with the threads and kernels of a model's requests; nil where the budget leaves less than 100 MiB, or the
  /// system refuses memory or threads.
  public static func measure(_ model: Model) -> MachineSpeed? {
    guard hasRoom(model), let pool = try? model.runtime.threads() else { return nil }
    let isa = model.runtime.options.instructionSet
    guard
      let quantized = ProductProbe(
        .init(type: .int4, rows: 2048, cols: 2048, tokens: 64), isa, pool),
      let wide = ProductProbe(.init(type: .int4, rows: 32_768, cols: 3584, tokens: 1), isa, pool),
      let float = ProductProbe(.init(type: .f32, rows: 512, cols: 2304, tokens: 64), isa, pool)
    else { return nil }
    var share = 1.0
    return MachineSpeed(
      quantizedOperations: quantized.operations / quantized.seconds(&share),
      floatOperations: float.operations / float.seconds(&share),
      weightBytes: Double(wide.weightByteCount) / wide.seconds(&share),
      diskBytes: DiskProbe.bytesPerSecond(model.file), processorShare: share)
  }
}

extension MachineSpeed {
  /// What the measurement takes at most.
  private static let memoryBytes = 100 << 20

  private static func hasRoom(_ model: Model) -> Bool {
    guard let budget = try? model.runtime.ledger.budget() else { return true }
    let used = budget.claimedBytes + model.runtime.program.byteCount
    return budget.namedBytes - used >= memoryBytes
  }
}

/// Times one product of made-up weights and activations.
private struct ProductProbe {
  private let compute: Compute
  private let layer: Linear
  private let arena: Arena
  private let input, output: Rows
  let weightByteCount: Int

  /// Weights `[rows, cols]` and the rows of activations that they are multiplied with.
  struct Product {
    let type: VQ4ElementType
    let rows, cols, tokens: Int
  }

  init?(_ product: Product, _ isa: InstructionSet, _ pool: ThreadPool) {
    let (type, tokens) = (product.type, product.tokens)
    let (rows, cols) = (product.rows, product.cols)
    let description = VQ4TensorDescription(
      name: "probe", elementType: type, layout: .tiles, shape: [rows, cols],
      groupSize: type == .int4 ? 32 : 0
    ).with(codebook: type == .int4 ? (0..<16).map { Int8($0 * 16 - 120) } : [])
    var plan = MemoryPlan()
    let scratch = Compute.reserve(&plan, maximumColumns: cols)
    let input = plan.reserve("probe.input", rows: tokens, columns: cols)
    let output = plan.reserve("probe.output", rows: tokens, columns: rows)
    let streams = VQ4StreamRole.allCases.map { role in
      plan.reserve("probe.\(role)", byteCount: description.byteCount(of: role))
    }
    guard let arena = Arena(plan) else { return nil }
    // Pages that nothing was written to are all the same one. Zero weights take the time of others.
    arena.raw(streams[0]).initializeMemory(
      as: UInt8.self, repeating: 0, count: description.byteCount(of: .codes))
    self.input = arena.rows(input)
    self.output = arena.rows(output)
    for index in 0..<tokens * cols { self.input.values[index] = Float(index % 13) - 6 }
    var matrix = cvar_matrix()
    matrix.type = Int32(type.rawValue)
    matrix.rows = Int32(rows)
    matrix.cols = Int32(cols)
    matrix.group_size = Int32(description.groupSize)
    matrix.codes = UnsafeRawPointer(arena.raw(streams[0]))
    matrix.scales = UnsafeRawPointer(arena.raw(streams[1]))
    matrix.superscales = UnsafeRawPointer(arena.raw(streams[2]))
    layer = Linear(matrix: matrix)
    compute = Compute(instructionSet: isa, pool: pool, arena: arena, scratch: scratch)
    weightByteCount = description.byteCount
    self.arena = arena
  }

  var operations: Double { Double(input.count) * Double(layer.rows) * Double(layer.cols) }

  /// Seconds of one product: the fastest within some tens of milliseconds, once the processor has its speed.
  ///
  /// Beside other programs a thread is stopped for some milliseconds again and again, and the slowest thread ends a
  /// product: then more products are timed, of which one may be let through.
  ///
  /// - Parameter share: becomes the share of the processors that the products got, where it was more.
  func seconds(_ share: inout Double) -> Double {
    var best = Double.infinity
    let start = MonotonicClock.seconds()
    let workStart = MonotonicClock.processorSeconds()
    var (now, own) = (start, 1.0)
    repeat {
      compute.linear(input, layer, into: output)
      let end = MonotonicClock.seconds()
      best = min(best, end - now)
      now = end
      let work = MonotonicClock.processorSeconds() - workStart
      own = min(1, work / (max(now - start, 1e-9) * Double(compute.pool.threadCount)))
    } while now - start < (own < Self.freeShare ? Self.busySeconds : Self.freeSeconds)
    share = min(share, own)
    return max(best, 1e-9)
  }

  private static let freeSeconds = 0.06
  private static let busySeconds = 0.4
  /// Threads also wait for each other: a free machine gives less than everything.
  private static let freeShare = 0.85
}

/// Times reads of a file, spread over it, as streamed weights are read.
private enum DiskProbe {
  private static let partByteCount = 4 << 20
  private static let partCount = 16

  static func bytesPerSecond(_ file: VQ4File) -> Double {
    let direct = VQ4DirectFile(file)
    guard let memory = AnonymousMemory(byteCount: partByteCount) else { return 0 }
    memory.touchPages()
    let part = UnsafeMutableRawBufferPointer(start: memory.base, count: partByteCount)
    var done = 0
    let start = MonotonicClock.seconds()
    for index in 0..<partCount where MonotonicClock.seconds() - start < 0.25 {
      let count = direct.readBlocks(at: file.byteCount / partCount * index, into: part)
      guard count > 0 else { break }
      done += count
    }
    return Double(done) / max(MonotonicClock.seconds() - start, 1e-9)
  }
}
