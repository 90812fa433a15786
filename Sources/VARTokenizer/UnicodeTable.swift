/// What splitting and normalizing need to know of each character, built once from `UnicodeData`.
///
/// A flat array answers each question with one load; it covers every code point with a property
/// (up to U+323AF, 400 KiB) and leaves all later ones without any.
package struct UnicodeTable: @unchecked Sendable {
  /// One character's properties: bits 0-1 its kind, bit 2 whether it may change under composition,
  /// bits 8-15 its combining class.
  package struct Properties {
    let rawValue: UInt16
    package var kind: UInt16 { rawValue & 3 }
    var mayCompose: Bool { rawValue & 4 != 0 }
    package var combiningClass: UInt8 { UInt8(truncatingIfNeeded: rawValue >> 8) }
    /// Neither reorders nor composes: text may be normalized piecewise before such a character.
    var isInert: Bool { rawValue & 0xFF04 == 0 }
  }

  package static let other: UInt16 = 0
  package static let letter: UInt16 = 1
  package static let number: UInt16 = 2
  package static let space: UInt16 = 3

  package static let shared = UnicodeTable()

  private static let count = 0x323B0
  private let entries: UnsafeMutablePointer<UInt16>
  /// Sorted by character: `(character, first, second or 0)`.
  private let decompositions: [(character: UInt32, first: UInt32, second: UInt32)]
  /// Sorted by pair: `first << 32 | second`.
  private let compositions: [(pair: UInt64, character: UInt32)]

  @inline(__always)
  package func properties(_ character: UInt32) -> Properties {
    Properties(rawValue: character < Self.count ? entries[Int(character)] : 0)
  }

  /// The canonical decomposition of one level; `second` is 0 for a single character.
  func decomposition(of character: UInt32) -> (first: UInt32, second: UInt32)? {
    guard let entry = find(character, in: decompositions, by: { $0.character }) else { return nil }
    return (entry.first, entry.second)
  }

  /// The primary composite of two characters, Hangul aside.
  func composition(_ first: UInt32, _ second: UInt32) -> UInt32? {
    find(UInt64(first) << 32 | UInt64(second), in: compositions, by: { $0.pair })?.character
  }

  private func find<Entry, Key: Comparable>(
    _ key: Key, in entries: [Entry], by keyOf: (Entry) -> Key
  ) -> Entry? {
    var low = 0
    var high = entries.count
    while low < high {
      let middle = (low + high) / 2
      if keyOf(entries[middle]) < key { low = middle + 1 } else { high = middle }
    }
    return low < entries.count && keyOf(entries[low]) == key ? entries[low] : nil
  }
}

extension UnicodeTable {
  private init() {
    // Lives as long as the process: one per process, behind `shared`.
    entries = .allocate(capacity: Self.count)
    entries.initialize(repeating: 0, count: Self.count)
    let classes = [
      (UnicodeData.letters, Self.letter), (UnicodeData.numbers, Self.number),
      (UnicodeData.spaces, Self.space),
    ]
    for (text, kind) in classes {
      var reader = UnicodeDataReader(text)
      while let range = reader.nextRange() {
        for character in range { entries[character] |= kind }
      }
    }
    var reader = UnicodeDataReader(UnicodeData.combiningClasses)
    while let range = reader.nextRange() {
      for character in range { entries[character] |= UInt16(reader.label) << 8 }
    }

    var decompositions: [(character: UInt32, first: UInt32, second: UInt32)] = []
    var compositions: [(pair: UInt64, character: UInt32)] = []
    reader = UnicodeDataReader(UnicodeData.decompositions)
    while let mapping = reader.nextMapping() {
      decompositions.append((mapping.character, mapping.first, mapping.second))
      if mapping.composes {
        compositions.append(
          (UInt64(mapping.first) << 32 | UInt64(mapping.second), mapping.character))
        entries[Int(mapping.second)] |= 4
      } else {
        entries[Int(mapping.character)] |= 4
      }
    }
    // The vowels and trailing consonants of Hangul syllables.
    for character in 0x1161...0x1175 { entries[character] |= 4 }
    for character in 0x11A8...0x11C2 { entries[character] |= 4 }
    compositions.sort { $0.pair < $1.pair }
    self.decompositions = decompositions
    self.compositions = compositions
  }
}

/// Reads the texts of `UnicodeData`: words between blanks and line ends.
private struct UnicodeDataReader {
  private var rest: UnsafeBufferPointer<UInt8>.SubSequence
  /// The decimal label (`230:`) that was read last.
  private(set) var label = 0

  init(_ text: StaticString) {
    rest = UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)[...]
  }

  private mutating func nextWord() -> UnsafeBufferPointer<UInt8>.SubSequence? {
    rest = rest.drop { $0 <= 0x20 }
    guard !rest.isEmpty else { return nil }
    let word = rest.prefix { $0 > 0x20 }
    rest = rest[word.endIndex...]
    return word
  }

  mutating func nextRange() -> ClosedRange<Int>? {
    while var word = nextWord() {
      if word.last == UInt8(ascii: ":") {
        label = word.dropLast().reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
        continue
      }
      let first = Self.hexadecimal(&word)
      word = word.dropFirst()
      return Int(first)...Int(word.isEmpty ? first : Self.hexadecimal(&word))
    }
    return nil
  }

  mutating func nextMapping() -> (
    character: UInt32, first: UInt32, second: UInt32, composes: Bool
  )? {
    guard var word = nextWord() else { return nil }
    let character = Self.hexadecimal(&word)
    let isExcluded = word.first == UInt8(ascii: "!")
    word = word.dropFirst()
    let first = Self.hexadecimal(&word)
    word = word.dropFirst()
    let second = Self.hexadecimal(&word)
    return (character, first, second, second != 0 && !isExcluded)
  }

  /// Takes the leading digits; 0 where there is none.
  private static func hexadecimal(_ word: inout UnsafeBufferPointer<UInt8>.SubSequence) -> UInt32 {
    var value: UInt32 = 0
    while let byte = word.first {
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9"):
        value = value << 4 | UInt32(byte - UInt8(ascii: "0"))
      case UInt8(ascii: "A")...UInt8(ascii: "F"):
        value = value << 4 | UInt32(byte - UInt8(ascii: "A") + 10)
      default: return value
      }
      word = word.dropFirst()
    }
    return value
  }
}
