import Testing
import VARTestSupport
import VARTokenizer

/// Tables read by `formats/tokenizer_tables.md` alone.
@Suite struct TablesSpecificationTests {
  @Test func headerIsThatOfTheSpecification() throws {
    let tables = try PlainTables(TestTokenizers.tiny.get().tables)
    #expect(tables.bytes[..<8] == [0x0D, 0x56, 0x41, 0x52, 0x54, 0x4B, 0x1A, 0x0A])
    #expect(tables.u32(8) == 1)
    #expect(tables.u32(12) == 1)
    #expect(tables.bytes[48..<64].allSatisfy { $0 == 0 })
    #expect(tables.byteCount == tables.bytes.count)
  }

  /// TOK-4 to TOK-7.
  @Test func tokensAreThoseOfTheTokenizer() throws {
    let imported = try TestTokenizers.tiny.get()
    let tables = PlainTables(imported.tables)
    #expect(tables.ids == imported.tokenizer.vocabularySize)
    for id in 0..<tables.ids {
      let text = String(decoding: tables.text(id), as: UTF8.self)
      #expect(text == imported.tokenizer.decode([Int32(id)]))
      #expect(tables.text(id).isEmpty == (tables.kind(id) == 0))
      #expect(imported.tokenizer.isSpecial(Int32(id)) == (tables.kind(id) == 3))
    }
    for byte in 0..<256 { #expect(tables.text(tables.byteToken(byte)) == [UInt8(byte)]) }
    for id in tables.addedIDs {
      let text = String(decoding: tables.text(id), as: UTF8.self)
      #expect(imported.tokenizer.tokenID(of: text) == Int32(id))
      #expect(tables.kind(id) >= 2)
    }
  }

  /// TOK-8 to TOK-13: pieces merged by the text's rules are what the tokenizer gives.
  @Test func hashTablesFindWhatTheTokenizerFinds() throws {
    let imported = try TestTokenizers.tiny.get()
    let tables = PlainTables(imported.tables)
    var mergeCount = 0
    var pieceCount = 0
    for id in 0..<tables.ids where tables.kind(id) != 0 {
      let text = tables.text(id)
      let merged = tables.merged(text)
      #expect(tables.piece(text) == (merged == [id] ? id : nil))
      pieceCount += merged == [id] ? 1 : 0
      mergeCount += text.count > 1 && merged == [id] ? 1 : 0
    }
    #expect(pieceCount == tables.usedPieceSlots)
    #expect(mergeCount > 100)
    // Letters alone are one piece of the splitting expression.
    for word in ["a", "the", "unquestionably", "zzqxv", "pneumonoultramicroscopic"] {
      let expected = imported.tokenizer.encode(word).map { Int($0) }
      #expect(tables.merged(Array(word.utf8)) == expected)
    }
  }
}

/// A slow reader of the tables that shares nothing with the tokenizer.
private struct PlainTables {
  let bytes: [UInt8]
  let ids, mergeCount: Int
  private let pieceSlots, mergeSlots: Int
  private let starts: [Int]

  init(_ bytes: [UInt8]) {
    self.bytes = bytes
    func count(_ offset: Int) -> Int {
      (0..<4).reduce(0) { $0 | Int(bytes[offset + $1]) << (8 * $1) }
    }
    ids = count(16)
    mergeCount = count(24)
    pieceSlots = count(28)
    mergeSlots = count(32)
    let sizes = [
      64, 8 * pieceSlots, 8 * mergeSlots, 4 * mergeCount, 4 * (ids + 1), 4 * 256,
      4 * (count(36) + count(40)), ids, count(20),
    ]
    starts = sizes.reduce(into: [0]) { $0.append($0[$0.count - 1] + ($1 + 63) / 64 * 64) }
  }

  var byteCount: Int { starts[9] }

  func u32(_ offset: Int) -> Int {
    (0..<4).reduce(0) { $0 | Int(bytes[offset + $1]) << (8 * $1) }
  }

  private func u64(_ offset: Int) -> UInt64 {
    (0..<8).reduce(0) { $0 | UInt64(bytes[offset + $1]) << UInt64(8 * $1) }
  }

  func text(_ id: Int) -> [UInt8] {
    Array(bytes[(starts[8] + u32(starts[4] + 4 * id))..<(starts[8] + u32(starts[4] + 4 * id + 4))])
  }

  func kind(_ id: Int) -> Int { Int(bytes[starts[7] + id]) }

  func byteToken(_ byte: Int) -> Int { u32(starts[5] + 4 * byte) }

  var addedIDs: [Int] { (0..<(u32(36) + u32(40))).map { u32(starts[6] + 4 * $0) } }

  var usedPieceSlots: Int {
    (0..<pieceSlots).count { u64(starts[1] + 8 * $0) != .max }
  }

  /// TOK-10: the id that a pair becomes and its rank.
  private func merge(_ left: Int, _ right: Int) -> (rank: Int, id: Int)? {
    let key = UInt64(left) << 22 | UInt64(right)
    let product = key &* 0x9E37_79B9_7F4A_7C15
    var index = Int((product ^ product >> 32) % UInt64(mergeSlots))
    while true {
      let slot = u64(starts[2] + 8 * index)
      if slot == .max { return nil }
      if slot >> 20 == key {
        let rank = Int(slot % (1 << 20))
        return (rank, u32(starts[3] + 4 * rank))
      }
      index = (index + 1) % mergeSlots
    }
  }

  /// TOK-13, step 5.
  func merged(_ piece: [UInt8]) -> [Int] {
    var list = piece.map { byteToken(Int($0)) }
    while true {
      var best: (place: Int, rank: Int, id: Int)?
      for place in list.indices.dropLast() {
        guard let merge = merge(list[place], list[place + 1]) else { continue }
        if best.map({ merge.rank < $0.rank }) ?? true { best = (place, merge.rank, merge.id) }
      }
      guard let best else { return list }
      list.replaceSubrange(best.place...best.place + 1, with: [best.id])
    }
  }

  /// TOK-12.
  func piece(_ piece: [UInt8]) -> Int? {
    let hash = Self.hash(piece)
    var index = Int(hash % UInt64(pieceSlots))
    while true {
      let slot = u64(starts[1] + 8 * index)
      if slot == .max { return nil }
      let id = Int(slot & 0xFFFF_FFFF)
      if slot >> 32 == hash >> 32, text(id) == piece { return id }
      index = (index + 1) % pieceSlots
    }
  }

  private static func hash(_ piece: [UInt8]) -> UInt64 {
    let factor: UInt64 = 0x9E37_79B9_7F4A_7C15
    var hash = UInt64(piece.count) &* factor
    let wholeCount = piece.count / 8 * 8
    for start in stride(from: 0, to: wholeCount, by: 8) {
      let word = (0..<8).reduce(UInt64(0)) { $0 | UInt64(piece[start + $1]) << UInt64(8 * $1) }
      hash = (hash ^ word) &* factor
      hash ^= hash >> 32
    }
    let rest = piece[wholeCount...].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    hash = (hash ^ rest) &* factor
    hash ^= hash >> 29
    hash = hash &* 0xBF58_476D_1CE4_E5B9
    return hash ^ hash >> 32
  }
}
