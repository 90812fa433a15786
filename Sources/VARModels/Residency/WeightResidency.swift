import VQ4Format

/// Where weights are while a request runs.
package enum WeightResidency: String, Sendable, CaseIterable {
  /// Raw streams in place in the mapped file, the others decoded when first needed and kept.
  case map
  /// All weights of a phase decoded into memory before it starts.
  case load
  /// Part of a phase's weights in memory, the rest read and decoded again for every pass.
  case stream
}

/// What a weight source does in a phase: known from the file's directory, before anything is read.
package struct WeightResidencyPlan: Sendable, Equatable {
  /// Whether the phase can run within the budget.
  package var fits = true
  /// Memory that the weights take at most, all buffers of readers included; without pages of the mapped file.
  package var residentBytes = 0
  /// The least budget with which the phase can run.
  package var minimumBytes = 0
  /// Parts that stay in memory during the phase, and the buffer that the others pass through.
  package var pinned: Set<WeightPart> = []
  package var ringBytes = 0
  /// Memory of the threads that read, and of decoded chunks of tables.
  package var stagingBytes = 0
  /// Stored bytes of what every pass reads anew.
  package var diskBytesPerPass = 0
  /// Stored bytes that the first pass reads, where nothing of it is in memory.
  package var firstPassDiskBytes = 0
  /// Bytes that are used in place in the mapped file: the system takes their memory back when it needs it.
  package var mappedBytes = 0
}

extension WeightResidency {
  /// What a source will do in a phase.
  ///
  /// - Parameters:
  ///   - blocks: of all streams of the file.
  ///   - earlier: what the phases before it read; ``map`` and ``load`` keep it as long as it is in nobody's way.
  ///   - budgetBytes: memory that weights may take; nil: no limit.
  ///   - readerCount: threads that read and decode.
  package func plan(
    _ pass: WeightPass, after earlier: Set<WeightPart> = [], blocks: WeightBlocks,
    budgetBytes: Int?, readerCount: Int
  ) -> WeightResidencyPlan {
    var plan = WeightResidencyPlan()
    let readerBytes = WeightReaders.memoryBytes(blocks.file, readerCount: readerCount)
    plan.stagingBytes = RowReader.cacheBytes(blocks.file) + (self == .map ? 0 : readerBytes)
    plan.firstPassDiskBytes = pass.parts.reduce(0) { $0 + (blocks[$1]?.storedBytes ?? 0) }
    switch self {
    case .map: plan.map(pass, after: earlier, blocks, budgetBytes, readerBytes: readerBytes)
    case .load:
      plan.pin(pass.parts, blocks)
      plan.minimumBytes = plan.residentBytes
      plan.keep(earlier.subtracting(pass.parts), blocks, budgetBytes)
    case .stream: plan.stream(pass, blocks, budgetBytes)
    }
    plan.fits = budgetBytes.map { $0 >= plan.minimumBytes } ?? true
    return plan
  }
}

extension WeightResidencyPlan {
  /// Smaller parts are not worth a place in the ring.
  private static let smallBytes = 64 << 10
  /// What is read ahead at least, where the budget allows it.
  private static let leastReadAhead = 16 << 20
  /// The ring of a phase of one pass.
  private static let singlePassRing = 64 << 20

  fileprivate mutating func map(
    _ pass: WeightPass, after earlier: Set<WeightPart>, _ blocks: WeightBlocks,
    _ budgetBytes: Int?, readerBytes: Int
  ) {
    let compressed = WeightBlocks(
      blocks.file, slabCodeBytes: blocks.slabCodeBytes, isCompressedOnly: true)
    var decoded = 0
    for part in pass.parts {
      let all = blocks[part]?.byteCount ?? 0
      decoded += compressed[part]?.memoryBytes ?? 0
      mappedBytes += all - (compressed[part]?.byteCount ?? 0)
    }
    // Where nothing is decoded no thread reads.
    if decoded > 0 { stagingBytes += readerBytes }
    residentBytes = decoded + stagingBytes
    minimumBytes = residentBytes
    keep(earlier.subtracting(pass.parts), compressed, budgetBytes)
  }

  /// Adds what stays in memory of phases before, within the budget.
  fileprivate mutating func keep(
    _ parts: Set<WeightPart>, _ blocks: WeightBlocks, _ budgetBytes: Int?
  ) {
    let all = residentBytes + parts.reduce(0) { $0 + (blocks[$1]?.memoryBytes ?? 0) }
    residentBytes = max(residentBytes, min(all, budgetBytes ?? all))
  }

  fileprivate mutating func pin(_ parts: [WeightPart], _ blocks: WeightBlocks) {
    pinned = Set(parts)
    residentBytes = stagingBytes + parts.reduce(0) { $0 + (blocks[$1]?.memoryBytes ?? 0) }
  }

  fileprivate mutating func stream(
    _ pass: WeightPass, _ blocks: WeightBlocks, _ budgetBytes: Int?
  ) {
    func memory(_ part: WeightPart) -> Int { blocks[part]?.memoryBytes ?? 0 }
    func isAlwaysPinned(_ part: WeightPart) -> Bool {
      pass.held.contains(part) || memory(part) <= Self.smallBytes
    }
    let fixed = pass.parts.filter(isAlwaysPinned)
    let rest = pass.parts.filter { !isAlwaysPinned($0) }
    let fixedBytes = stagingBytes + fixed.reduce(0) { $0 + memory($1) }
    minimumBytes = fixedBytes + (rest.map(memory).max() ?? 0)
    let restBytes = rest.reduce(0) { $0 + memory($1) }
    // A phase that does not fit is planned as with the least budget.
    guard let budgetBytes = budgetBytes.map({ max($0, minimumBytes) }),
      fixedBytes + restBytes > budgetBytes
    else {
      pin(pass.parts, blocks)
      minimumBytes = min(minimumBytes, residentBytes)
      return
    }
    let room = budgetBytes - fixedBytes
    let (prefix, ring) = Self.choose(
      rest.map(memory), room: room, budgetBytes, isSinglePass: pass.passCount == 1)
    ringBytes = ring
    pinned = Set(fixed + prefix.map { rest[$0] })
    residentBytes = fixedBytes + ringBytes + prefix.reduce(0) { $0 + memory(rest[$1]) }
    for part in rest where !pinned.contains(part) {
      diskBytesPerPass += blocks[part]?.storedBytes ?? 0
    }
  }

  /// Which of the parts stay in memory, and the bytes of the ring for the others: as long a beginning as leaves a ring
  /// for the largest of the rest and some read-ahead, then whatever still fits.
  private static func choose(
    _ sizes: [Int], room: Int, _ budgetBytes: Int, isSinglePass: Bool
  ) -> (pinned: [Int], ringBytes: Int) {
    let largest = sizes.max() ?? 0
    if isSinglePass { return ([], min(room, max(2 * largest, singlePassRing))) }
    // Largest of the parts from each place on.
    var tails = sizes
    for index in sizes.indices.dropLast().reversed() {
      tails[index] = max(tails[index], tails[index + 1])
    }
    var prefixBytes = sizes.reduce(0, +)
    for count in sizes.indices.reversed() {
      prefixBytes -= sizes[count]
      let readAhead = min(tails[count], max(leastReadAhead, budgetBytes / 8))
      guard prefixBytes + tails[count] + readAhead <= room || count == 0 else { continue }
      var left = room - prefixBytes - tails[count] - (count == 0 ? 0 : readAhead)
      var pinned = Array(0..<count)
      for index in sizes.indices.dropFirst(count) where count > 0 && sizes[index] <= left {
        pinned.append(index)
        left -= sizes[index]
      }
      let ring = min(tails[count] + left + (count == 0 ? 0 : readAhead), 2 * tails[count])
      return (pinned, ring)
    }
    return ([], room)
  }
}
