extension TokenizerSource {
  /// Lays the tokenizer out as tables for `Tokenizer(tables:owner:)`.
  ///
  /// The same source always gives the same bytes. The tables want an address that is a multiple of
  /// 64 in the file that holds them.
  package func makeTables() throws(TokenizerError) -> [UInt8] {
    let header = makeHeader()
    let layout = TokenizerTables.Layout(header)
    let owned = OwnedBytes([UInt8](repeating: 0, count: layout.byteCount))
    header.write(to: owned.buffer)
    let writer = TablesWriter(tables: owned.buffer, header: header, layout: layout)
    writer.writeTokens(texts, ids)
    writer.writeKinds(texts, addedTokens)
    writer.writeAddedTokens(addedTokens)
    try writer.writeMerges(merges)
    writer.clearPieces()
    // Which texts encode to their own token alone is found by encoding them.
    let tokenizer = try Tokenizer(tables: UnsafeRawBufferPointer(owned.buffer), owner: owned)
    var merger = BytePairMerger(tokenizer)
    var output: [Int32] = []
    for id in texts.indices where ids[texts[id]] == UInt32(id) {
      output.removeAll(keepingCapacity: true)
      texts[id].withUnsafeBufferPointer {
        merger.append($0.baseAddress!, count: $0.count, to: &output)
      }
      if output == [Int32(id)] { try writer.insertPiece(texts[id], UInt32(id)) }
    }
    return Array(owned.buffer)
  }

  private func makeHeader() -> TokenizerTables.Header {
    var header = TokenizerTables.Header()
    header.flags = normalizes ? TokenizerTables.Header.normalizesFlag : 0
    header.idCount = texts.count
    header.tokenByteCount = texts.reduce(0) { $0 + $1.count }
    header.mergeCount = merges.count
    header.pieceSlotCount = TokenizerTables.slotCount(for: ids.count)
    header.mergeSlotCount = TokenizerTables.slotCount(for: merges.count)
    header.rawAddedCount = addedTokens.count { !$0.isNormalized }
    header.normalizedAddedCount = addedTokens.count { $0.isNormalized }
    header.longestTokenByteCount = texts.reduce(0) { max($0, $1.count) }
    return header
  }
}

private struct TablesWriter {
  let tables: UnsafeMutableRawBufferPointer
  let header: TokenizerTables.Header
  let layout: TokenizerTables.Layout

  func writeTokens(_ texts: [[UInt8]], _ ids: [[UInt8]: UInt32]) {
    var end = 0
    for (id, text) in texts.enumerated() {
      for (offset, byte) in text.enumerated() {
        tables[layout.tokenBytes + end + offset] = byte
      }
      end += text.count
      store(UInt32(end), layout.tokenEnds, id + 1)
    }
    for byte in 0..<256 { store(ids[[UInt8(byte)]]!, layout.byteTokens, byte) }
  }

  func writeKinds(_ texts: [[UInt8]], _ added: [TokenizerSource.AddedToken]) {
    for (id, text) in texts.enumerated() where !text.isEmpty {
      tables[layout.kinds + id] = TokenizerTables.Kind.ordinary
    }
    for token in added {
      tables[layout.kinds + Int(token.id)] =
        token.isSpecial ? TokenizerTables.Kind.special : TokenizerTables.Kind.added
    }
  }

  func writeAddedTokens(_ added: [TokenizerSource.AddedToken]) {
    let sorted = added.sorted {
      $0.isNormalized == $1.isNormalized
        ? $0.content.lexicographicallyPrecedes($1.content) : !$0.isNormalized
    }
    for (index, token) in sorted.enumerated() { store(token.id, layout.addedTokens, index) }
  }

  func writeMerges(_ merges: [TokenizerSource.Merge]) throws(TokenizerError) {
    clear(layout.mergeSlots, header.mergeSlotCount)
    for (rank, merge) in merges.enumerated() {
      store(merge.result, layout.mergeResults, rank)
      let key = TokenizerTables.pairKey(merge.left, merge.right)
      try insert(
        key << 20 | UInt64(rank), hash: TokenizerTables.pairHash(key), layout.mergeSlots,
        header.mergeSlotCount)
    }
  }

  func clearPieces() { clear(layout.pieceSlots, header.pieceSlotCount) }

  func insertPiece(_ text: [UInt8], _ id: UInt32) throws(TokenizerError) {
    let hash = text.withUnsafeBufferPointer {
      TokenizerTables.hash($0.baseAddress!, count: $0.count)
    }
    try insert(
      (hash & ~0xFFFF_FFFF) | UInt64(id), hash: hash, layout.pieceSlots, header.pieceSlotCount)
  }

  private func clear(_ offset: Int, _ count: Int) {
    for index in 0..<count { store(TokenizerTables.emptySlot, offset, index) }
  }

  /// - Throws: `tooLarge` for entries that were made to meet in one place: all of them would look for theirs in vain.
  private func insert(
    _ slot: UInt64, hash: UInt64, _ offset: Int, _ count: Int
  ) throws(TokenizerError) {
    let first = Int(hash & UInt64(count - 1))
    for step in 0..<TokenizerTables.maximumRunCount {
      let index = (first + step) & (count - 1)
      let present = tables.load(fromByteOffset: offset + 8 * index, as: UInt64.self)
      if present == TokenizerTables.emptySlot { return store(slot, offset, index) }
    }
    throw TokenizerError(
      .tooLarge, in: "merges and vocabulary",
      "more than \(TokenizerTables.maximumRunCount) of them share a place of the table")
  }

  private func store<Value: FixedWidthInteger>(_ value: Value, _ offset: Int, _ index: Int) {
    tables.storeBytes(
      of: value, toByteOffset: offset + MemoryLayout<Value>.size * index, as: Value.self)
  }
}
