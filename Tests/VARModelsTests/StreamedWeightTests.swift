import Testing
import VARModels
import VARTestSupport
import VQ4Format

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Every source gives the weights of the file, whatever memory it has.
@Suite struct StreamedWeightTests {
  private func pass(_ phase: WeightPhase, _ blocks: WeightBlocks) throws -> WeightPass {
    WeightPass(phase, tensors: try DemoFile.tensors(blocks.file), blocks: blocks)
  }

  private func minimum(_ pass: WeightPass, _ blocks: WeightBlocks, threadCount: Int) -> Int {
    WeightResidency.stream.plan(
      pass, blocks: blocks, budgetBytes: 0, threadCount: threadCount
    ).minimumBytes
  }

  /// Reads a phase's weights `count` times and returns what differs.
  private func walk(
    _ source: any WeightSource, _ pass: WeightPass, _ comparison: StreamComparison,
    passes count: Int
  ) throws -> [String] {
    var differences: [String] = []
    for _ in 0..<count {
      for part in pass.parts {
        try source.acquire(part)
        differences += comparison.differences(source, part)
        source.release(part)
      }
    }
    return differences
  }

  @Test(arguments: VQ4StorageLayout.allCases, [true, false])
  func everySourceGivesTheFilesWeights(layout: VQ4StorageLayout, isDirect: Bool) throws {
    let folder = TemporaryDirectory()
    let file = try VQ4File(path: DemoFile.copy(layout, in: folder))
    let blocks = try DemoFile.blocks(file, slabCodeBytes: 8192)
    let comparison = try StreamComparison(file, blocks)
    let sources = [
      WeightStore(blocks, .map, threadCount: 2),
      WeightStore(blocks, .load, threadCount: 2, isDirect: isDirect),
      WeightStore(blocks, .stream, threadCount: 1, isDirect: isDirect, poisonsReleased: true),
    ]
    for source in sources {
      for phase in DemoFile.phases {
        let pass = try pass(phase, blocks)
        let least = minimum(pass, blocks, threadCount: 1)
        for budget in [least, least * 5 / 4, nil] {
          if source.residency != .stream, budget != nil { continue }
          try source.begin(pass, budgetBytes: budget)
          #expect(try walk(source, pass, comparison, passes: pass.passCount ?? 3) == [])
          source.end(WeightRequest(id: 1))
        }
      }
    }
  }

  /// Passes that leave weights out, begin anew or go on longer than announced.
  @Test(arguments: [1 as UInt64, 2, 3])
  func anyOrderOfPartsIsServed(seed: UInt64) throws {
    let file = try VQ4File(path: DemoFile.path)
    let blocks = try DemoFile.blocks(file, slabCodeBytes: 8192)
    let comparison = try StreamComparison(file, blocks)
    let pass = try pass(.conversation(writesText: true), blocks)
    let least = minimum(pass, blocks, threadCount: 1)
    let source = WeightStore(blocks, .stream, threadCount: 1, poisonsReleased: true)
    var random = SplitMix64(seed: seed)
    for budget in [least, least * 3 / 2] {
      try source.begin(
        WeightPass(parts: pass.parts, held: pass.held, passCount: 1), budgetBytes: budget)
      var position = 0
      for _ in 0..<300 {
        let jump = random.next() % 4
        position =
          jump == 0
          ? Int(random.next() % UInt64(pass.parts.count))
          : (position + (jump == 1 ? 0 : 1)) % pass.parts.count
        let part = pass.parts[position]
        try source.acquire(part)
        #expect(comparison.differences(source, part) == [])
        source.release(part)
      }
      source.end(WeightRequest(id: 1))
    }
  }

  /// Rows of tables and tiles, without the rest.
  @Test(arguments: VQ4StorageLayout.allCases)
  func rowsAreThoseOfTheTable(layout: VQ4StorageLayout) throws {
    let folder = TemporaryDirectory()
    let file = try VQ4File(path: DemoFile.copy(layout, in: folder))
    let blocks = try DemoFile.blocks(file)
    let comparison = try StreamComparison(file, blocks)
    let sources = WeightResidency.allCases.map { WeightStore(blocks, $0, threadCount: 1) }
    let table = try #require(file.tensorIndex(named: "model.embed_tokens.weight"))
    let description = file.tensors[table].description
    for source in sources {
      for role in VQ4StreamRole.allCases {
        let size = description.unitByteCount(of: role)
        guard size > 0 else { continue }
        let units = description.byteCount(of: role) / size
        for unit in [0, units / 3, units - 1, 1, units / 3] {
          var row = [UInt8](repeating: 0, count: size)
          try row.withUnsafeMutableBytes {
            try source.read(unit: unit, of: table, role, into: $0)
          }
          #expect(row == Array(comparison.bytes(table, role)[unit * size..<(unit + 1) * size]))
        }
      }
    }
  }

  @Test func aBudgetThatIsTooSmallIsRefused() throws {
    let file = try VQ4File(path: DemoFile.path)
    let blocks = try DemoFile.blocks(file)
    let pass = try pass(.drawing(scaleCount: 2), blocks)
    let least = minimum(pass, blocks, threadCount: 1)
    for residency in [WeightResidency.load, .stream] {
      let source = WeightStore(blocks, residency, threadCount: 1)
      let error = try #require(throws: ModelError.self) {
        try source.begin(pass, budgetBytes: least - 1)
      }
      #expect(error.code == .outOfMemory && error.detail.contains("\(least - 1)"))
      source.end(WeightRequest(id: 1))
    }
  }

  /// A flipped byte in a part that is read late ends in an error, at its place, again and again.
  @Test func damagedWeightsEndInAnError() throws {
    let folder = TemporaryDirectory()
    let path = try DemoFile.copy(.auto, in: folder)
    let whole = try VQ4File(path: path)
    let wholeBlocks = try DemoFile.blocks(whole, slabCodeBytes: 8192)
    let pass = try pass(.conversation(writesText: true), wholeBlocks)
    let least = minimum(pass, wholeBlocks, threadCount: 1)
    let layer = try #require(whole.groups.lastIndex { $0.name.hasPrefix("llm.layers.") })
    var bytes = try Fixtures.readFile(path)
    let range = whole.groups[layer].fileRange
    bytes[(range.lowerBound + range.upperBound) / 2] ^= 4
    folder.write("damaged.vq4", bytes)
    let file = try VQ4File(path: folder.file("damaged.vq4"))
    let blocks = try DemoFile.blocks(file, slabCodeBytes: 8192)
    let comparison = try StreamComparison(whole, wholeBlocks)
    let streamed = WeightStore(blocks, .stream, threadCount: 1)
    for _ in 0..<2 {
      try streamed.begin(pass, budgetBytes: least)
      for part in pass.parts {
        if part == .group(layer) {
          let error = try #require(throws: ModelError.self) { try streamed.acquire(part) }
          #expect(error.code == .unreadableWeights)
          #expect(error.detail.contains("damaged.vq4: tensor \"model.layers."))
          break
        }
        try streamed.acquire(part)
        #expect(comparison.differences(streamed, part) == [])
        streamed.release(part)
      }
      streamed.end(WeightRequest(id: 1))
    }
    let loaded = WeightStore(blocks, .load, threadCount: 2)
    for _ in 0..<2 { #expect(throws: ModelError.self) { try loaded.begin(pass) } }
  }

  /// Without a mapping a file that is cut is an error.
  @Test func aFileThatIsCutEndsInAnError() throws {
    let folder = TemporaryDirectory()
    let path = try DemoFile.copy(.map, in: folder)
    let file = try VQ4File(path: path)
    let blocks = try DemoFile.blocks(file)
    let pass = try pass(.decoding, blocks)
    guard case .group(let first)? = pass.parts.first else { throw FixtureError("no group") }
    let start = file.groups[first].fileRange.lowerBound
    #expect(truncate(path, off_t(start + 1000)) == 0)
    for isDirect in [true, false] {
      let source = WeightStore(blocks, .load, threadCount: 1, isDirect: isDirect)
      let error = try #require(throws: ModelError.self) { try source.begin(pass) }
      #expect(error.code == .unreadableWeights && error.detail.contains("cut short"))
    }
  }

  /// A descriptor that cannot be read stands for a disk that fails.
  @Test func aReadThatFailsEndsInAnError() throws {
    let folder = TemporaryDirectory()
    let path = try DemoFile.copy(.map, in: folder)
    let file = try VQ4File(path: path)
    let directory = open(folder.path, O_RDONLY | O_DIRECTORY)
    defer { close(directory) }
    // Descriptors of a process are small numbers.
    let own = (0..<4096).filter { number in
      var buffer = [UInt8](repeating: 0, count: 4096)
      let count = buffer.withUnsafeMutableBytes {
        readlink(
          "/proc/self/fd/\(number)", $0.baseAddress!.assumingMemoryBound(to: CChar.self), 4096)
      }
      return count > 0 && String(decoding: buffer.prefix(count), as: UTF8.self) == path
    }
    // The second one goes past the page cache, where the file system can do that.
    #expect((1...2).contains(own.count))
    for number in own { #expect(dup2(directory, Int32(number)) >= 0) }
    let blocks = try DemoFile.blocks(file)
    let source = WeightStore(blocks, .load, threadCount: 1, isDirect: false)
    let decoding = try pass(.decoding, blocks)
    let error = try #require(throws: ModelError.self) { try source.begin(decoding) }
    #expect(
      error.code == .unreadableWeights && error.detail.contains("cannot be read: Is a directory"))
  }

  @Test func cancellingEndsTheWaiting() throws {
    let file = try VQ4File(path: DemoFile.path)
    let blocks = try DemoFile.blocks(file)
    let pass = try pass(.conversation(writesText: true), blocks)
    let loaded = WeightStore(blocks, .load, threadCount: 1)
    var asked = 0
    let cancelled = WeightRequest(id: 1) {
      asked += 1
      return true
    }
    do {
      try loaded.begin(pass, for: cancelled)
      // So fast that there was nothing to wait for.
    } catch {
      #expect(error == ModelError(.cancelled, "interrupted") && asked > 0)
    }
    // What was dropped is read again.
    let comparison = try StreamComparison(file, blocks)
    try loaded.begin(pass, for: WeightRequest(id: 2))
    #expect(try walk(loaded, pass, comparison, passes: 1) == [])
    // A part that is waited for can be given up too.
    let streamed = WeightStore(blocks, .stream, threadCount: 1)
    try streamed.begin(pass, budgetBytes: minimum(pass, blocks, threadCount: 1))
    for part in pass.parts {
      do throws(ModelError) {
        try streamed.acquire(part) { true }
        streamed.release(part)
      } catch {
        #expect(error == ModelError(.cancelled, "interrupted"))
      }
    }
    #expect(try walk(streamed, pass, comparison, passes: 1) == [])
  }

  @Test func progressEndsWithEverything() throws {
    let file = try VQ4File(path: DemoFile.path)
    let blocks = try DemoFile.blocks(file)
    let pass = try pass(.drawing(scaleCount: 2), blocks)
    let loaded = WeightStore(blocks, .load, threadCount: 2)
    let total = WeightResidency.load.plan(
      pass, blocks: blocks, budgetBytes: nil, threadCount: 1
    ).firstPassDiskBytes
    var steps: [Int] = []
    try loaded.begin(pass) { done, all in
      #expect(all == total && done >= steps.last ?? 0)
      steps.append(done)
    }
    #expect(steps.last == total)
    // Nothing is read twice.
    try loaded.begin(pass) { _, _ in Issue.record("read again") }
  }

  @Test func threadsEndWithTheirSource() throws {
    let file = try VQ4File(path: DemoFile.path)
    let blocks = try DemoFile.blocks(file)
    let pass = try pass(.conversation(writesText: true), blocks)
    let before = threadCount()
    for _ in 0..<100 {
      let source = WeightStore(blocks, .stream, threadCount: 2)
      let least = minimum(pass, blocks, threadCount: 2)
      try source.begin(pass, budgetBytes: least)
      try source.acquire(pass.parts[0])
    }
    // Each source had four; other tests have some too.
    #expect(threadCount() - before < 200)
  }

  private func threadCount() -> Int {
    guard let stream = opendir("/proc/self/task") else { return 0 }
    defer { closedir(stream) }
    var count = 0
    while readdir(stream) != nil { count += 1 }
    return count
  }
}

extension WeightStore {
  /// Plans a pass within a budget and begins it.
  func begin(
    _ pass: WeightPass, budgetBytes: Int? = nil, for request: WeightRequest = WeightRequest(id: 1),
    progress: (Int, Int) -> Void = { _, _ in }
  ) throws(ModelError) {
    let plan = residency.plan(
      pass, blocks: allBlocks, budgetBytes: budgetBytes, threadCount: threadCount)
    try begin(plan, for: request, progress: progress)
  }
}
