/// Byte-level BPE as Qwen2 does it: text to ids and back.
///
/// Holds no text of its own: all tables lie in one block of bytes, used in place. Immutable, so one
/// value serves any number of threads.
package final class Tokenizer: @unchecked Sendable {
  typealias Header = TokenizerTables.Header

  let header: Header
  let pieceSlots: UnsafePointer<UInt64>
  let mergeSlots: UnsafePointer<UInt64>
  let mergeResults: UnsafePointer<UInt32>
  let tokenEnds: UnsafePointer<UInt32>
  let byteTokens: UnsafePointer<UInt32>
  let addedTokens: UnsafePointer<UInt32>
  let kinds: UnsafePointer<UInt8>
  let tokenBytes: UnsafePointer<UInt8>
  let rawMatcher: AddedTokenMatcher
  let normalizedMatcher: AddedTokenMatcher
  let unicode = UnicodeTable.shared
  private let owner: AnyObject?

  /// Opens tables in place.
  ///
  /// Reads the whole block once to check it, allocates nothing per entry.
  /// - Parameters:
  ///   - tables: what `TokenizerSource.makeTables()` made, starting at a multiple of 8 bytes.
  ///   - owner: kept alive as long as the tokenizer; its memory must not change. It is only held,
  ///     never called.
  /// - Throws: `unknownTables`, `wrongTablesSize`, `corruptTables`.
  package init(tables: UnsafeRawBufferPointer, owner: AnyObject?) throws(TokenizerError) {
    let header = try Header(reading: tables)
    let layout = TokenizerTables.Layout(header)
    func section<Element>(_ offset: Int, of type: Element.Type) -> UnsafePointer<Element> {
      (tables.baseAddress! + offset).assumingMemoryBound(to: type)
    }
    self.header = header
    self.owner = owner
    pieceSlots = section(layout.pieceSlots, of: UInt64.self)
    mergeSlots = section(layout.mergeSlots, of: UInt64.self)
    mergeResults = section(layout.mergeResults, of: UInt32.self)
    tokenEnds = section(layout.tokenEnds, of: UInt32.self)
    byteTokens = section(layout.byteTokens, of: UInt32.self)
    addedTokens = section(layout.addedTokens, of: UInt32.self)
    kinds = section(layout.kinds, of: UInt8.self)
    tokenBytes = section(layout.tokenBytes, of: UInt8.self)
    rawMatcher = AddedTokenMatcher(ids: addedTokens, count: header.rawAddedCount)
    normalizedMatcher = AddedTokenMatcher(
      ids: addedTokens + header.rawAddedCount, count: header.normalizedAddedCount)
    try checkTables()
    rawMatcher.prepare(for: self)
    normalizedMatcher.prepare(for: self)
  }

  /// Opens tables that are held in memory; copies them once.
  /// - Throws: as `init(tables:owner:)`.
  package convenience init(tables: [UInt8]) throws(TokenizerError) {
    let copy = OwnedBytes(tables)
    try self.init(tables: UnsafeRawBufferPointer(copy.buffer), owner: copy)
  }

  /// The number of ids, holes included: one more than the largest id.
  package var vocabularySize: Int { header.idCount }

  /// Whether an id stands for a special token such as `<|im_end|>`; `false` for unknown ids.
  package func isSpecial(_ id: Int32) -> Bool {
    id >= 0 && id < header.idCount && kinds[Int(id)] == TokenizerTables.Kind.special
  }

  /// Bytes of the longest token.
  package var longestTokenByteCount: Int { header.longestTokenByteCount }

  /// The id of an added token, special or not, such as `<|im_end|>`; `nil` if there is none.
  package func tokenID(of text: String) -> Int32? {
    for index in 0..<header.addedCount
    where bytes(ofToken: addedTokens[index]).elementsEqual(text.utf8) {
      return Int32(addedTokens[index])
    }
    return nil
  }

  @inline(__always)
  func tokenByteCount(_ id: UInt32) -> Int {
    Int(tokenEnds[Int(id) + 1]) - Int(tokenEnds[Int(id)])
  }

  @inline(__always)
  func bytes(ofToken id: UInt32) -> UnsafeBufferPointer<UInt8> {
    UnsafeBufferPointer(start: tokenBytes + Int(tokenEnds[Int(id)]), count: tokenByteCount(id))
  }

  /// The token whose text is this and nothing else, if the text encodes to it alone.
  @inline(__always)
  func wholeToken(_ piece: UnsafePointer<UInt8>, count: Int) -> UInt32? {
    guard count <= header.longestTokenByteCount else { return nil }
    let hash = TokenizerTables.hash(piece, count: count)
    let mask = UInt64(header.pieceSlotCount - 1)
    var index = hash & mask
    for _ in 0...TokenizerTables.maximumRunCount {
      let slot = pieceSlots[Int(index)]
      if slot == TokenizerTables.emptySlot { return nil }
      if slot >> 32 == hash >> 32 {
        let id = UInt32(truncatingIfNeeded: slot)
        if tokenByteCount(id) == count {
          let token = tokenBytes + Int(tokenEnds[Int(id)])
          var position = 0
          while position < count, token[position] == piece[position] { position += 1 }
          if position == count { return id }
        }
      }
      index = (index + 1) & mask
    }
    return nil
  }

  /// The rank of a merge, or `BytePairMerger.noRank`.
  @inline(__always)
  func mergeRank(_ left: UInt32, _ right: UInt32) -> UInt32 {
    let key = TokenizerTables.pairKey(left, right)
    let mask = UInt64(header.mergeSlotCount - 1)
    var index = TokenizerTables.pairHash(key) & mask
    for _ in 0...TokenizerTables.maximumRunCount {
      let slot = mergeSlots[Int(index)]
      if slot >> 20 == key { return UInt32(truncatingIfNeeded: slot & 0xF_FFFF) }
      if slot == TokenizerTables.emptySlot { return BytePairMerger.noRank }
      index = (index + 1) & mask
    }
    return BytePairMerger.noRank
  }
}

/// A copy of bytes at an aligned address.
final class OwnedBytes {
  let buffer: UnsafeMutableRawBufferPointer

  init(_ bytes: [UInt8]) {
    buffer = .allocate(byteCount: bytes.count, alignment: TokenizerTables.alignment)
    buffer.copyBytes(from: bytes)
  }

  deinit { buffer.deallocate() }
}
