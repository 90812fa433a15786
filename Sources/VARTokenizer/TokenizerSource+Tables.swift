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
    writer.writeMerges(merges)
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
      if output == [Int32(id)] { writer.insertPiece(texts[id], UInt32(id)) }
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

  func writeMerges(_ merges: [TokenizerSource.Merge]) {
    clear(layout.mergeSlots, header.mergeSlotCount)
    for (rank, merge) in merges.enumerated() {
      store(merge.result, layout.mergeResults, rank)
      let key = TokenizerTables.pairKey(merge.left, merge.right)
      insert(
        key << 20 | UInt64(rank), hash: TokenizerTables.pairHash(key), layout.mergeSlots,
        header.mergeSlotCount)
    }
  }

  func clearPieces() { clear(layout.pieceSlots, header.pieceSlotCount) }

  func insertPiece(_ text: [UInt8], _ id: UInt32) {
    let hash = text.withUnsafeBufferPointer {
      TokenizerTables.hash($0.baseAddress!, count: $0.count)
    }
    insert((hash & ~0xFFFF_FFFF) | UInt64(id), hash: hash, layout.pieceSlots, header.pieceSlotCount)
  }

  private func clear(_ offset: Int, _ count: Int) {
    for index in 0..<count { store(TokenizerTables.emptySlot, offset, index) }
  }

  private func insert(_ slot: UInt64, hash: UInt64, _ offset: Int, _ count: Int) {
    var index = Int(hash & UInt64(count - 1))
    while tables.load(fromByteOffset: offset + 8 * index, as: UInt64.self)
      != TokenizerTables.emptySlot
    {
      index = (index + 1) & (count - 1)
    }
    store(slot, offset, index)
  }

  private func store<Value: FixedWidthInteger>(_ value: Value, _ offset: Int, _ index: Int) {
    tables.storeBytes(
      of: value, toByteOffset: offset + MemoryLayout<Value>.size * index, as: Value.self)
  }
}
