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

/// Where the weights of a phase are while it runs: known from the file's directory, before anything is read.
package struct WeightPlan: Sendable {
  package let pass: WeightPass
  /// Memory that weights may take; nil: no limit.
  package let budgetBytes: Int?
  /// The least budget with which the phase can run.
  package var minimumBytes = 0
  /// Memory that the weights take at most, all buffers of readers included; without pages of the mapped file.
  package var residentBytes = 0
  /// Parts that stay in memory during the phase, and the ring that the others pass through.
  package var kept: Set<WeightPart> = []
  package var ringBytes = 0
  /// Memory of the threads that read, and of decoded chunks of tables.
  package var stagingBytes = 0
  /// Stored bytes of what every pass reads anew.
  package var diskBytesPerPass = 0
  /// Stored bytes that the first pass reads, where nothing of it is in memory.
  package var firstPassDiskBytes = 0
  /// Bytes that are used in place in the mapped file: the system takes their memory back when it needs it.
  package var mappedBytes = 0

  /// Whether the phase can run within the budget.
  package var fits: Bool { budgetBytes.map { $0 >= minimumBytes } ?? true }

  /// What all blocks in memory of their own may take, those of other requests included; nil: no limit.
  var roomBytes: Int? { budgetBytes.map { $0 - stagingBytes - ringBytes } }

  /// - Throws: `outOfMemory` unless the phase can run within the budget.
  func requireFit() throws(ModelError) {
    guard let budgetBytes, !fits else { return }
    throw ModelError(
      .outOfMemory,
      "the weights of this step take \(minimumBytes) bytes of memory at least, the budget leaves "
        + "\(budgetBytes)")
  }
}

extension WeightResidency {
  /// Where the weights of a phase will be.
  ///
  /// - Parameters:
  ///   - earlier: what the phases before it read; ``map`` and ``load`` keep it as long as it is in nobody's way.
  ///   - budgetBytes: memory that weights may take; nil: no limit.
  ///   - threadCount: threads that compute.
  package func plan(
    _ pass: WeightPass, after earlier: Set<WeightPart> = [], blocks: WeightBlocks,
    budgetBytes: Int?, threadCount: Int
  ) -> WeightPlan {
    var plan = WeightPlan(pass: pass, budgetBytes: budgetBytes)
    let readerBytes = WeightStore.readerBytes(blocks.file, threadCount: threadCount)
    plan.stagingBytes = RowReader.cacheBytes(blocks) + (self == .map ? 0 : readerBytes)
    plan.firstPassDiskBytes = blocks.storedBytes(pass.parts)
    if self == .stream {
      plan.stream(blocks)
      return plan
    }
    let decoded = blocks.decoded(self)
    let decodedBytes = decoded.memoryBytes(pass.parts)
    // Where nothing is decoded no thread reads.
    if self == .map, decodedBytes > 0 { plan.stagingBytes += readerBytes }
    for part in pass.parts {
      plan.mappedBytes += (blocks[part]?.byteCount ?? 0) - (decoded[part]?.byteCount ?? 0)
    }
    plan.kept = Set(pass.parts)
    plan.minimumBytes = plan.stagingBytes + decodedBytes
    // What stays of the phases before takes what the budget leaves.
    let all = plan.minimumBytes + decoded.memoryBytes(earlier.subtracting(pass.parts))
    plan.residentBytes = max(plan.minimumBytes, min(all, budgetBytes ?? all))
    return plan
  }
}

extension WeightPlan {
  /// Smaller parts are not worth a place in the ring.
  private static let smallBytes = 64 << 10
  /// What is read ahead at least, where the budget allows it.
  private static let leastReadAhead = 16 << 20
  /// The ring of a phase of one pass.
  private static let singlePassRing = 64 << 20

  fileprivate mutating func stream(_ blocks: WeightBlocks) {
    func memory(_ part: WeightPart) -> Int { blocks[part]?.memoryBytes ?? 0 }
    func isAlwaysKept(_ part: WeightPart) -> Bool {
      pass.held.contains(part) || memory(part) <= Self.smallBytes
    }
    let fixed = pass.parts.filter(isAlwaysKept)
    let rest = pass.parts.filter { !isAlwaysKept($0) }
    let fixedBytes = stagingBytes + blocks.memoryBytes(fixed)
    minimumBytes = fixedBytes + (rest.map(memory).max() ?? 0)
    let restBytes = blocks.memoryBytes(rest)
    // A phase that does not fit is planned as with the least budget.
    guard let budgetBytes = budgetBytes.map({ max($0, minimumBytes) }),
      fixedBytes + restBytes > budgetBytes
    else {
      kept = Set(pass.parts)
      residentBytes = fixedBytes + restBytes
      minimumBytes = min(minimumBytes, residentBytes)
      return
    }
    let room = budgetBytes - fixedBytes
    let (prefix, ring) = Self.choose(
      rest.map(memory), room: room, budgetBytes, isSinglePass: pass.passCount == 1)
    ringBytes = ring
    kept = Set(fixed + prefix.map { rest[$0] })
    residentBytes = stagingBytes + ringBytes + blocks.memoryBytes(kept)
    diskBytesPerPass = blocks.storedBytes(rest.filter { !kept.contains($0) })
  }

  /// Which of the parts stay in memory, and how large the ring is that the others pass through.
  ///
  /// The parts of a pass are `k k k k r r k r`: those marked `k` are kept, those marked `r` go through the ring. The
  /// beginning of a pass is kept, as much of it as leaves room for a ring. The ring holds the largest part behind that
  /// beginning, and some more to read ahead. What room is left then keeps further parts that fit into it.
  private static func choose(
    _ sizes: [Int], room: Int, _ budgetBytes: Int, isSinglePass: Bool
  ) -> (kept: [Int], ringBytes: Int) {
    if isSinglePass { return ([], min(room, max(2 * (sizes.max() ?? 0), singlePassRing))) }
    var prefixBytes = sizes.reduce(0, +)
    for count in sizes.indices.reversed() {
      prefixBytes -= sizes[count]
      let largest = sizes[count...].max() ?? 0
      let readAhead = count == 0 ? 0 : min(largest, max(leastReadAhead, budgetBytes / 8))
      guard prefixBytes + largest + readAhead <= room || count == 0 else { continue }
      var left = room - prefixBytes - largest - readAhead
      var kept = Array(0..<count)
      for index in sizes.indices.dropFirst(count) where count > 0 && sizes[index] <= left {
        kept.append(index)
        left -= sizes[index]
      }
      return (kept, min(largest + left + readAhead, 2 * largest))
    }
    return ([], room)
  }
}
