/// The flat form of a tokenizer: one block of bytes that is used as it is.
///
/// Little-endian; sections follow each other in this order, each padded with zeros to 64 bytes.
/// Sizes follow from the counts of the header, so there are no offsets to distrust.
///
///     header          64 bytes, see `Header`
///     piece slots     u64[pieceSlotCount]    hash table: text of a token -> its id
///     merge slots     u64[mergeSlotCount]    hash table: pair of ids -> rank
///     merge results   u32[mergeCount]        id that a merge makes, by rank
///     token ends      u32[idCount + 1]       token i is tokenBytes[ends[i]..<ends[i + 1]]
///     byte tokens     u32[256]               id of each single byte
///     added tokens    u32[addedCount]        ids, sorted by text; first those matched in the raw
///                                            text, then those matched after normalization
///     kinds           u8[idCount]            `Kind` of each id
///     token bytes     u8[tokenByteCount]
///
/// A piece slot is `hash of the text (high 32 bits) << 32 | id`, a merge slot is
/// `left << 42 | right << 20 | rank`; all ones is an empty slot. Both tables use linear probing.
/// The piece table holds exactly those tokens whose own text encodes to them alone.
package enum TokenizerTables {
  static let magic: UInt64 = 0x0A1A_4B54_5241_560D  // "\rVARTK\x1A\n"
  static let version: UInt32 = 1
  static let alignment = 64
  static let emptySlot = UInt64.max

  /// One id stays free: it would make an all-ones merge slot.
  package static let maximumIDCount = 1 << 22 - 1
  package static let maximumMergeCount = 1 << 20 - 1
  package static let maximumTokenByteCount = 4096
  static let maximumAddedCount = 1 << 16

  enum Kind {
    static let absent: UInt8 = 0
    static let ordinary: UInt8 = 1
    static let added: UInt8 = 2
    static let special: UInt8 = 3
  }

  struct Header: Equatable {
    static let byteCount = 64
    static let normalizesFlag: UInt32 = 1

    var flags: UInt32 = 0
    var idCount = 0
    var tokenByteCount = 0
    var mergeCount = 0
    var pieceSlotCount = 0
    var mergeSlotCount = 0
    var rawAddedCount = 0
    var normalizedAddedCount = 0
    var longestTokenByteCount = 0

    var addedCount: Int { rawAddedCount + normalizedAddedCount }
  }

  /// Offsets of the sections in bytes.
  struct Layout {
    let pieceSlots: Int
    let mergeSlots: Int
    let mergeResults: Int
    let tokenEnds: Int
    let byteTokens: Int
    let addedTokens: Int
    let kinds: Int
    let tokenBytes: Int
    let byteCount: Int

    init(_ header: Header) {
      var end = Header.byteCount
      func section(_ count: Int, _ size: Int) -> Int {
        let start = end
        end += (count * size + alignment - 1) / alignment * alignment
        return start
      }
      pieceSlots = section(header.pieceSlotCount, 8)
      mergeSlots = section(header.mergeSlotCount, 8)
      mergeResults = section(header.mergeCount, 4)
      tokenEnds = section(header.idCount + 1, 4)
      byteTokens = section(256, 4)
      addedTokens = section(header.addedCount, 4)
      kinds = section(header.idCount, 1)
      tokenBytes = section(header.tokenByteCount, 1)
      byteCount = end
    }
  }

  /// Used slots that stand together at most, so that every look-up ends soon. Where a third of the slots is empty, the
  /// longest run of the largest table has about 300.
  static let maximumRunCount = 1024

  /// The least power of two that leaves a third of the slots empty.
  static func slotCount(for entryCount: Int) -> Int {
    var count = 16
    while count * 2 < entryCount * 3 { count *= 2 }
    return count
  }

  @inline(__always)
  static func hash(_ bytes: UnsafePointer<UInt8>, count: Int) -> UInt64 {
    let factor: UInt64 = 0x9E37_79B9_7F4A_7C15
    var hash = UInt64(truncatingIfNeeded: count) &* factor
    var position = 0
    while position + 8 <= count {
      let word = UnsafeRawPointer(bytes + position).loadUnaligned(as: UInt64.self)
      hash = (hash ^ word) &* factor
      hash ^= hash >> 32
      position += 8
    }
    var word: UInt64 = 0
    while position < count {
      word = word << 8 | UInt64(bytes[position])
      position += 1
    }
    hash = (hash ^ word) &* factor
    hash ^= hash >> 29
    hash = hash &* 0xBF58_476D_1CE4_E5B9
    return hash ^ hash >> 32
  }

  @inline(__always)
  static func pairKey(_ left: UInt32, _ right: UInt32) -> UInt64 {
    UInt64(left) << 22 | UInt64(right)
  }

  @inline(__always)
  static func pairHash(_ key: UInt64) -> UInt64 {
    let product = key &* 0x9E37_79B9_7F4A_7C15
    return product ^ product >> 32
  }
}
