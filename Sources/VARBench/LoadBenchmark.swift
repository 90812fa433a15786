import Synchronization
import VARJSON
import VARKernels
import VARModels
import VARSystem
import VQ4Format

/// Measures how fast the weights of a model file come into memory.
package struct LoadBenchmark {
  private let path: String
  private let residency: WeightResidency
  private let budgetBytes: Int?
  private let isCold: Bool

  /// Names of the ways to hold weights.
  package static var residencies: [String] { WeightResidency.allCases.map(\.rawValue) }

  /// - Parameters:
  ///   - residency: one of `residencies`.
  ///   - budgetBytes: memory that weights may take; nil: no limit.
  ///   - isCold: has the page cache forget the file first.
  package init(
    path: String, residency: String, budgetBytes: Int?, isCold: Bool
  ) throws(BenchmarkError) {
    guard let residency = WeightResidency(rawValue: residency) else {
      throw BenchmarkError(
        .invalidRequest, "the residency is one of \(Self.residencies.joined(separator: ", "))")
    }
    self.path = path
    self.residency = residency
    self.budgetBytes = budgetBytes
    self.isCold = isCold
  }

  /// What all weights but tables are in the file.
  private struct Model {
    let file: VQ4File
    let blocks: WeightBlocks
    let pass: WeightPass
    let storedBytes: Int
    let decodedBytes: Int

    init(path: String) throws {
      file = try VQ4File(path: path)
      let tensors = try VARGPTConfiguration(config: file.jsonAttachment("configuration")).tensors
      let blocks = WeightBlocks(file, tensors: tensors)
      let phases: [WeightPhase] = [
        .vision(pictureCount: 1), .conversation(writesText: true), .drawingContext,
        .drawing(scaleCount: 2), .decoding, .encoding,
      ]
      var parts: [WeightPart] = []
      var known = Set<WeightPart>()
      for phase in phases {
        for part in WeightPass(phase, tensors: tensors, blocks: blocks).parts
        where known.insert(part).inserted { parts.append(part) }
      }
      self.blocks = blocks
      pass = WeightPass(parts: parts)
      storedBytes = parts.reduce(0) { $0 + (blocks[$1]?.storedBytes ?? 0) }
      decodedBytes = parts.reduce(0) { $0 + (blocks[$1]?.byteCount ?? 0) }
    }
  }

  /// `load` (s) and `load_speed` (GB/s of the file), for `stream` of the first pass, then `pass` of the next one and
  /// `pass_speed` of what it reads again; `peak_rss`; `disk_speed` of reading the same file past the page cache
  /// (through it unless `isCold`) right after each load, and `decode_speed` of decoding it from memory, both in GB/s
  /// of the file by all threads; `load_share` of the lower of both; `memory_speed` of taking as much fresh memory as
  /// the weights will, right before each load, in GB/s of memory (none where they are used in place).
  ///
  /// A virtual machine that returns free memory to its host waits for it rather than for the disk: the memory's probe
  /// leaves it at hand, as it is elsewhere.
  package func records(_ conditions: RunConditions) throws -> [BenchmarkRecord] {
    let model = try Model(path: path)
    let pool = try conditions.makePool()
    let plan = self.plan(model, conditions)
    var seconds: [Double] = []
    var passes: [Double] = []
    var memory: [Double] = []
    var disk: [Double] = []
    for _ in 0..<conditions.repeats {
      if plan.residentBytes > 0 { memory.append(try memorySpeed(plan.residentBytes, pool)) }
      let (first, next) = try load(conditions, pool)
      seconds.append(first)
      if let next { passes.append(next) }
      disk.append(try diskSpeed(conditions))
    }
    let peak = ProcessMemory.peakMebibytes
    let context: [(String, JSONValue)] = [
      ("residency", .string(residency.rawValue)), ("cold", .bool(isCold)),
      ("budget_bytes", budgetBytes.map { .integer($0) } ?? .null),
      ("file_bytes", .integer(model.storedBytes)), ("weight_bytes", .integer(model.decodedBytes)),
    ]
    let stored = Double(model.storedBytes) * 1e-9
    let load = Measurement(seconds)
    var records = [
      BenchmarkRecord("load", "s", load, context: context),
      BenchmarkRecord("load_speed", "GB/s", load.map { stored / $0 }, context: context),
    ]
    if !passes.isEmpty {
      let pass = Measurement(passes)
      let again = Double(plan.diskBytesPerPass) * 1e-9
      records += [
        BenchmarkRecord("pass", "s", pass, context: context),
        BenchmarkRecord("pass_speed", "GB/s", pass.map { again / $0 }, context: context),
      ]
    }
    let diskSpeed = Measurement(disk)
    let decode = try decodeSpeed(model.file, pool)
    records += [
      BenchmarkRecord("peak_rss", "MiB", peak, context: context),
      BenchmarkRecord("disk_speed", "GB/s", diskSpeed, context: context),
      BenchmarkRecord("decode_speed", "GB/s", decode, context: context),
    ]
    if !memory.isEmpty {
      records.append(
        BenchmarkRecord("memory_speed", "GB/s", Measurement(memory), context: context))
    }
    let limit = min(diskSpeed.median, decode)
    records.append(
      BenchmarkRecord("load_share", "ratio", load.map { stored / $0 / limit }, context: context))
    return records
  }

  private func plan(_ model: Model, _ conditions: RunConditions) -> WeightPlan {
    residency.plan(
      model.pass, blocks: model.blocks, budgetBytes: budgetBytes,
      threadCount: conditions.threadCount)
  }

  /// Seconds until all weights were there once, and of the next pass where they are read again.
  private func load(_ conditions: RunConditions, _ pool: ThreadPool) throws -> (Double, Double?) {
    let model = try Model(path: path)
    if isCold { try open().forget() }
    let source = WeightStore(model.blocks, residency, threadCount: conditions.threadCount)
    let plan = self.plan(model, conditions)
    let first = try Stopwatch.seconds {
      try source.begin(plan, for: WeightRequest(id: 1)) { _, _ in }
      try walk(model, source, pool)
    }
    guard residency == .stream else { return (first, nil) }
    return (first, try Stopwatch.seconds { try walk(model, source, pool) })
  }

  /// Acquires every part, and touches what lies in the mapped file.
  private func walk(_ model: Model, _ source: any WeightSource, _ pool: ThreadPool) throws {
    for part in model.pass.parts {
      try source.acquire(part)
      if residency == .map {
        for content in model.blocks.contents(of: part) where content.bytes.count >= 4096 {
          let start = source.stream(content.tensor, content.role, slab: content.slab)
          MachineProbe.read(start, byteCount: content.bytes.count, pool)
        }
      }
      source.release(part)
    }
  }

  private func open() throws(BenchmarkError) -> OpenFile {
    do throws(SystemError) {
      return try OpenFile(path, .reading)
    } catch {
      throw BenchmarkError(.invalidRequest, "\(path): cannot be opened")
    }
  }

  /// GB/s of reading the file, or 4 GB of it, in pieces of 1 MiB by as many threads as load it.
  private func diskSpeed(_ conditions: RunConditions) throws -> Double {
    let piece = 1 << 20
    let file = try open()
    if isCold { file.forget() }
    let byteCount = (try? file.status())?.byteCount ?? 0
    let direct = DirectFile(
      FileRegion(of: file, path: path, 0..<byteCount), isDirect: isCold)
    let pieces = min(byteCount / piece, 4000)
    guard pieces > 0 else { return .infinity }
    let readerCount = WeightSources.readerCount(threadCount: conditions.threadCount)
    let readers = RunConditions(
      threadCount: readerCount, instructionSet: conditions.instructionSet,
      pages: conditions.pages, repeats: 1)
    let pool = try readers.makePool()
    guard let memory = AnonymousMemory(byteCount: readerCount * piece) else {
      throw BenchmarkError(.outOfMemory, "no memory for \(readerCount * piece) bytes")
    }
    memory.touchPages()
    let next = Atomic<Int>(0)
    let failures = Atomic<Int>(0)
    let seconds = Stopwatch.seconds {
      pool.parallel(readerCount) { workers in
        for worker in workers {
          let buffer = UnsafeMutableRawBufferPointer(
            start: memory.base + worker * piece, count: piece)
          while true {
            let index = next.add(1, ordering: .relaxed).oldValue
            guard index < pieces else { break }
            if direct.readBlocks(at: index * piece, into: buffer) != piece {
              failures.add(1, ordering: .relaxed)
            }
          }
        }
      }
    }
    guard failures.load(ordering: .relaxed) == 0 else {
      throw BenchmarkError(.invalidRequest, "\(path): cannot be read")
    }
    return Double(pieces * piece) / seconds * 1e-9
  }

  /// GB/s of the first touch of memory by all threads. Virtual machines may have to get it from their host.
  private func memorySpeed(_ byteCount: Int, _ pool: ThreadPool) throws -> Double {
    guard let memory = AnonymousMemory(byteCount: byteCount) else {
      throw BenchmarkError(.outOfMemory, "no memory for \(byteCount) bytes")
    }
    let pageBytes = 4096
    let seconds = Stopwatch.seconds {
      pool.parallel((byteCount + pageBytes - 1) / pageBytes) { pages in
        for page in pages {
          memory.base.storeBytes(of: 0, toByteOffset: page * pageBytes, as: UInt8.self)
        }
      }
    }
    return Double(byteCount) / seconds * 1e-9
  }

  /// GB/s of decoding chunks, up to 1 GB of them, from memory to memory by all threads.
  private func decodeSpeed(_ file: VQ4File, _ pool: ThreadPool) throws -> Double {
    var chunks: [(tensor: Int, role: VQ4StreamRole, chunk: Int)] = []
    var (storedBytes, largest) = (0, 0)
    for (tensor, entry) in file.tensors.enumerated() where entry.description.layout != .table {
      for role in VQ4StreamRole.allCases {
        for chunk in 0..<file.chunkCount(tensor, role) where storedBytes < 1_000_000_000 {
          chunks.append((tensor, role, chunk))
          storedBytes += file.chunkFileRange(tensor, role, chunk).count
          largest = max(largest, file.chunkRange(tensor, role, chunk).count)
        }
      }
    }
    let failures = Atomic<Int>(0)
    func decode() {
      pool.parallel(chunks.count) { range in
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: largest, alignment: 64)
        defer { buffer.deallocate() }
        let decoder = VQ4ChunkDecoder()
        for (tensor, role, chunk) in chunks[range] {
          let count = file.chunkRange(tensor, role, chunk).count
          do {
            try file.decodeChunk(
              tensor, role, chunk, into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<count]),
              by: decoder)
          } catch {
            failures.add(1, ordering: .relaxed)
          }
        }
      }
    }
    // Decoding is timed alone where the file can be mapped.
    try? file.mapWeights()
    // The first time brings the file into memory.
    decode()
    let seconds = Stopwatch.seconds(decode)
    guard failures.load(ordering: .relaxed) == 0 else {
      throw BenchmarkError(.invalidRequest, "\(path): is damaged; varlite verify tells where")
    }
    return Double(storedBytes) / seconds * 1e-9
  }
}
