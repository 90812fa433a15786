extension TokenizerTables.Header {
  private static let source = "tokenizer tables"

  private static let limits: [(member: WritableKeyPath<Self, Int> & Sendable, maximum: Int)] = [
    (\.idCount, TokenizerTables.maximumIDCount),
    (\.tokenByteCount, Int(UInt32.max)),
    (\.mergeCount, TokenizerTables.maximumMergeCount),
    (\.pieceSlotCount, 1 << 24),
    (\.mergeSlotCount, 1 << 24),
    (\.rawAddedCount, TokenizerTables.maximumAddedCount),
    (\.normalizedAddedCount, TokenizerTables.maximumAddedCount),
    (\.longestTokenByteCount, TokenizerTables.maximumTokenByteCount),
  ]

  /// Reads the header of tables and checks it against their size.
  init(reading tables: UnsafeRawBufferPointer) throws(TokenizerError) {
    guard let base = tables.baseAddress, tables.count >= Self.byteCount,
      UInt(bitPattern: base) % 8 == 0
    else {
      throw TokenizerError(
        .wrongTablesSize, in: Self.source,
        "\(tables.count) bytes are no tables, or do not start at a multiple of 8; convert again")
    }
    guard tables.load(as: UInt64.self) == TokenizerTables.magic,
      tables.load(fromByteOffset: 8, as: UInt32.self) == TokenizerTables.version
    else {
      throw TokenizerError(
        .unknownTables, in: Self.source,
        "not tables of version \(TokenizerTables.version); convert the model with this release")
    }
    flags = tables.load(fromByteOffset: 12, as: UInt32.self)
    for (index, limit) in Self.limits.enumerated() {
      let value = Int(tables.load(fromByteOffset: 16 + 4 * index, as: UInt32.self))
      guard value <= limit.maximum else { throw Self.corrupt("count \(index) is \(value)") }
      self[keyPath: limit.member] = value
    }
    let reserved = tables[(16 + 4 * Self.limits.count)..<Self.byteCount]
    guard flags <= Self.normalizesFlag, reserved.allSatisfy({ $0 == 0 }) else {
      throw Self.corrupt("unknown flags")
    }
    for count in [pieceSlotCount, mergeSlotCount] where count <= 0 || count & (count - 1) != 0 {
      throw Self.corrupt("\(count) slots are no power of two")
    }
    let expected = TokenizerTables.Layout(self).byteCount
    guard tables.count == expected else {
      throw TokenizerError(
        .wrongTablesSize, in: Self.source,
        "\(tables.count) bytes where \(expected) are expected; copy or convert the file again")
    }
  }

  /// Writes the header at the start of tables.
  func write(to tables: UnsafeMutableRawBufferPointer) {
    tables.storeBytes(of: TokenizerTables.magic, as: UInt64.self)
    tables.storeBytes(of: TokenizerTables.version, toByteOffset: 8, as: UInt32.self)
    tables.storeBytes(of: flags, toByteOffset: 12, as: UInt32.self)
    for (index, limit) in Self.limits.enumerated() {
      tables.storeBytes(
        of: UInt32(self[keyPath: limit.member]), toByteOffset: 16 + 4 * index, as: UInt32.self)
    }
  }

  static func corrupt(_ detail: String) -> TokenizerError {
    TokenizerError(.corruptTables, in: source, "\(detail); copy or convert the file again")
  }
}

extension Tokenizer {
  /// Checks every number that is later used as an index, and what the time of look-ups and their end
  /// rest on: empty slots in each hash table, and merges that only lengthen.
  func checkTables() throws(TokenizerError) {
    try checkTokens()
    try checkAddedTokens()
    try checkMerges()
    for index in 0..<header.pieceSlotCount {
      let slot = pieceSlots[index]
      guard slot == TokenizerTables.emptySlot || slot & 0xFFFF_FFFF < UInt64(header.idCount) else {
        throw Header.corrupt("piece slot \(index) names an id that does not exist")
      }
    }
    try checkRuns(pieceSlots, header.pieceSlotCount, "piece")
    try checkRuns(mergeSlots, header.mergeSlotCount, "merge")
  }

  /// Checks that a third of the slots is empty, as the writer leaves them, and that no look-up passes many.
  private func checkRuns(
    _ slots: UnsafePointer<UInt64>, _ count: Int, _ name: String
  ) throws(TokenizerError) {
    var (usedCount, run, longestRun) = (0, 0, 0)
    // A run at the end goes on at the beginning.
    for index in 0..<count + min(count, TokenizerTables.maximumRunCount + 1) {
      guard slots[index & (count - 1)] != TokenizerTables.emptySlot else {
        run = 0
        continue
      }
      run += 1
      longestRun = max(longestRun, run)
      if index < count { usedCount += 1 }
    }
    guard usedCount * 3 <= count * 2, longestRun <= TokenizerTables.maximumRunCount else {
      throw Header.corrupt(
        "the \(name) table has \(usedCount) of \(count) slots in use, \(longestRun) of them together"
      )
    }
  }

  private func checkTokens() throws(TokenizerError) {
    var end: UInt32 = 0
    guard tokenEnds[0] == 0 else { throw Header.corrupt("the first token does not start at 0") }
    for id in 0..<header.idCount {
      let next = tokenEnds[id + 1]
      let kind = kinds[id]
      guard next >= end, Int(next - end) <= header.longestTokenByteCount,
        (next == end) == (kind == TokenizerTables.Kind.absent),
        kind <= TokenizerTables.Kind.special
      else { throw Header.corrupt("token \(id) has no valid extent") }
      end = next
    }
    guard Int(end) == header.tokenByteCount else {
      throw Header.corrupt("the tokens end at byte \(end) of \(header.tokenByteCount)")
    }
    for byte in 0..<256 {
      let id = byteTokens[byte]
      guard id < header.idCount, tokenByteCount(id) == 1,
        tokenBytes[Int(tokenEnds[Int(id)])] == UInt8(byte)
      else { throw Header.corrupt("byte \(byte) has no token") }
    }
  }

  private func checkAddedTokens() throws(TokenizerError) {
    for index in 0..<header.addedCount {
      let id = addedTokens[index]
      guard id < header.idCount, kinds[Int(id)] >= TokenizerTables.Kind.added else {
        throw Header.corrupt("added token \(index) is none")
      }
      guard index > 0, index != header.rawAddedCount else { continue }
      guard bytes(ofToken: addedTokens[index - 1]).lexicographicallyPrecedes(bytes(ofToken: id))
      else { throw Header.corrupt("added token \(index) is out of order") }
    }
  }

  private func checkMerges() throws(TokenizerError) {
    let idCount = UInt32(header.idCount)
    for rank in 0..<header.mergeCount where mergeResults[rank] >= idCount {
      throw Header.corrupt("merge \(rank) makes an id that does not exist")
    }
    var count = 0
    for index in 0..<header.mergeSlotCount {
      let slot = mergeSlots[index]
      guard slot != TokenizerTables.emptySlot else { continue }
      count += 1
      let rank = Int(slot & 0xF_FFFF)
      let left = UInt32(truncatingIfNeeded: slot >> 42)
      let right = UInt32(truncatingIfNeeded: slot >> 20 & 0x3F_FFFF)
      guard rank < header.mergeCount, left < idCount, right < idCount,
        tokenByteCount(mergeResults[rank]) == tokenByteCount(left) + tokenByteCount(right),
        tokenByteCount(left) > 0, tokenByteCount(right) > 0
      else { throw Header.corrupt("merge slot \(index) joins no two tokens") }
    }
    guard count == header.mergeCount else {
      throw Header.corrupt("\(count) merges where \(header.mergeCount) are expected")
    }
  }
}
