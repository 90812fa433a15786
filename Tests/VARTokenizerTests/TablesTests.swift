import Testing
import VARTestSupport
import VARTokenizer

@Suite struct TablesTests {
  private func code(_ tables: [UInt8]) -> TokenizerError.Code? {
    do throws(TokenizerError) {
      _ = try Tokenizer(tables: tables)
      return nil
    } catch {
      return error.code
    }
  }

  private func changed(_ offset: Int, _ byte: UInt8) throws -> [UInt8] {
    var tables = try TestTokenizers.tiny.get().tables
    tables[offset] = byte
    return tables
  }

  @Test func headerFaultsHaveTheirCodes() throws {
    let tables = try TestTokenizers.tiny.get().tables
    #expect(code(tables) == nil)
    #expect(code([]) == .wrongTablesSize)
    #expect(code(Array(tables.prefix(63))) == .wrongTablesSize)
    #expect(code(Array(tables.prefix(64))) == .wrongTablesSize)
    #expect(code(tables + [0]) == .wrongTablesSize)
    #expect(code(Array(tables.dropLast())) == .wrongTablesSize)
    #expect(try code(changed(0, 0)) == .unknownTables)
    #expect(try code(changed(8, 2)) == .unknownTables)
    #expect(try code(changed(12, 2)) == .corruptTables)
    #expect(try code(changed(19, 0xFF)) == .corruptTables)
    #expect(try code(changed(63, 1)) == .corruptTables)
  }

  @Test func misalignedTablesAreRefused() throws {
    let tables = [0] + (try TestTokenizers.tiny.get().tables)
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: tables.count, alignment: 64)
    defer { memory.deallocate() }
    memory.copyBytes(from: tables)
    let misaligned = UnsafeRawBufferPointer(rebasing: memory[1...])
    #expect { try Tokenizer(tables: misaligned, owner: nil) } throws: {
      ($0 as? TokenizerError)?.code == .wrongTablesSize
    }
  }

  @Test func tablesAreUsedInPlaceAndKeepTheirOwner() throws {
    final class Owner {}
    let tables = try TestTokenizers.tiny.get().tables
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: tables.count, alignment: 64)
    defer { memory.deallocate() }
    memory.copyBytes(from: tables)
    weak var observed: Owner?
    do {
      let owner = Owner()
      observed = owner
      let tokenizer = try Tokenizer(tables: UnsafeRawBufferPointer(memory), owner: owner)
      #expect(tokenizer.encode("Hello, world!") == [39, 68, 296, 78, 11, 265, 283, 282, 0])
      withExtendedLifetime(tokenizer) { #expect(observed != nil) }
    }
    #expect(observed == nil)
  }

  /// Changed tables are refused or give other ids, but never crash or hang.
  @Test func damagedTablesAreSafe() throws {
    let tables = try TestTokenizers.tiny.get().tables
    var random = SplitMix64(seed: 28)
    var refusedCount = 0
    for _ in 0..<4000 {
      var damaged = tables
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        let offset = Int.random(in: 0..<tables.count, using: &random)
        damaged[offset] = UInt8.random(in: 0...255, using: &random)
      }
      guard let tokenizer = try? Tokenizer(tables: damaged) else {
        refusedCount += 1
        continue
      }
      let ids = tokenizer.encode("Please paint <|im_end|> a red circle, e\u{301} 你好 12\n\n  !")
      #expect(ids.allSatisfy { $0 >= 0 && $0 < tokenizer.vocabularySize })
      _ = tokenizer.decode(ids)
      _ = tokenizer.decode(0..<Int32(tokenizer.vocabularySize), skipSpecial: true)
    }
    #expect(refusedCount > 1000)
  }

  /// The tables of the fixture with another piece table, of 4096 slots, of which some are in use.
  private func tables(usedSlots: (Int) -> Bool) throws -> [UInt8] {
    func bytes(_ value: UInt64, _ count: Int) -> [UInt8] {
      (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * UInt64($0))) }
    }
    var tables = try TestTokenizers.tiny.get().tables
    let slotCount = (28..<32).reversed().reduce(0) { $0 << 8 | Int(tables[$1]) }
    tables.replaceSubrange(28..<32, with: bytes(4096, 4))
    // The upper half of a hash that no text of the tests has, and an id that is there.
    let slots = (0..<4096).flatMap { bytes(usedSlots($0) ? 0xFFFF_FFFE << 32 : .max, 8) }
    tables.replaceSubrange(64..<64 + slotCount * 8, with: slots)
    return tables
  }

  /// Look-ups would pass all that stands together.
  @Test func tablesThatAreTooFullAreRefused() throws {
    #expect(try code(tables { $0 % 3 != 0 }) == nil)
    #expect(try code(tables { $0 % 3 != 0 || $0 == 3 }) == .corruptTables)
    #expect(try code(tables { $0 != 5 }) == .corruptTables)
    #expect(try code(tables { $0 < 1024 }) == nil)
    #expect(try code(tables { $0 < 1025 }) == .corruptTables)
    // Around the end.
    #expect(try code(tables { $0 < 1000 || $0 >= 4096 - 24 }) == nil)
    #expect(try code(tables { $0 < 1000 || $0 >= 4096 - 25 }) == .corruptTables)
  }

  /// What the writer makes is far from the limit.
  @Test func runsOfARealVocabularyAreShort() throws {
    let tables = try TestTokenizers.qwen2.get().tables
    func number(_ offset: Int) -> Int {
      (offset..<offset + 4).reversed().reduce(0) { $0 << 8 | Int(tables[$1]) }
    }
    var (longest, run) = (0, 0)
    for slot in 0..<number(28) + number(32) {
      let isEmpty = tables[(64 + 8 * slot)..<(72 + 8 * slot)].allSatisfy { $0 == 0xFF }
      run = isEmpty ? 0 : run + 1
      longest = max(longest, run)
    }
    #expect((1...256).contains(longest), "\(longest)")
  }

  @Test func realVocabularyOpensFast() throws {
    let tables = try TestTokenizers.qwen2.get().tables
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: tables.count, alignment: 64)
    defer { memory.deallocate() }
    memory.copyBytes(from: tables)
    var best = Duration.seconds(1)
    for _ in 0..<5 {
      let started = ContinuousClock.now
      let tokenizer = try Tokenizer(tables: UnsafeRawBufferPointer(memory), owner: nil)
      best = min(best, ContinuousClock.now - started)
      #expect(tokenizer.vocabularySize == 151_660)
    }
    #expect(best < .milliseconds(20))
  }
}
