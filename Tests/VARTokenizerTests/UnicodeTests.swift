import Testing
import VARJSON
import VARTestSupport
import VARTokenizer

@Suite struct UnicodeTests {
  /// Categories stand at Unicode 16.0, combining classes at 9.0; the standard library may be newer.
  @Test func everyCharacterHasTheStandardLibrarysProperties() {
    let table = UnicodeTable.shared
    var different: [UInt32] = []
    for value in UInt32(0)...0x10FFFF {
      guard let scalar = Unicode.Scalar(value) else { continue }
      let properties = table.properties(value)
      let age = scalar.properties.age ?? (99, 0)
      let expectedKind = age.major <= 16 ? kind(of: scalar) : UnicodeTable.other
      let combiningClass = scalar.properties.canonicalCombiningClass.rawValue
      if properties.kind != expectedKind
        || properties.combiningClass != (age.major <= 9 ? combiningClass : 0)
      {
        different.append(value)
      }
    }
    #expect(different == [])
  }

  private func kind(of scalar: Unicode.Scalar) -> UInt16 {
    if scalar.properties.isWhitespace { return UnicodeTable.space }
    switch scalar.properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter:
      return UnicodeTable.letter
    case .decimalNumber, .letterNumber, .otherNumber:
      return UnicodeTable.number
    default:
      return UnicodeTable.other
    }
  }

  /// Recorded from the reference: every decomposition both ways, every mark, random runs of marks,
  /// random Hangul letters and syllables.
  @Test func textIsComposedAsRecorded() throws {
    let tokenizer = try TestTokenizers.tiny.get().tokenizer
    let cases = try #require(JSONValue.fixture("tokenizers/canonical_cases.json").arrayValue)
    #expect(cases.count == 5)
    for (index, entry) in cases.enumerated() {
      let text = try #require(entry["text"]?.stringValue)
      let expected = try #require(entry["nfc"]?.stringValue)
      let composed = tokenizer.decode(tokenizer.encode(text))
      let words = zip(
        composed.utf8.split(separator: UInt8(ascii: "q")),
        expected.utf8.split(separator: UInt8(ascii: "q")))
      for (word, expectedWord) in words where !word.elementsEqual(expectedWord) {
        Issue.record("case \(index): \(String(describing: Substring(word)).debugDescription)")
      }
      #expect(sameBytes(composed, expected), "case \(index)")
      #expect(sameBytes(tokenizer.decode(tokenizer.encode(composed)), composed), "case \(index)")
    }
  }

  @Test func longRunsOfMarksAreOrderedInReasonableTime() throws {
    let tokenizer = try TestTokenizers.tiny.get().tokenizer
    // Classes 230 and 220 in turn, 100,000 each: the 220s move to the front, keeping their order.
    let text = "q" + String(repeating: "\u{302}\u{316}", count: 100_000)
    let expected =
      "q" + String(repeating: "\u{316}", count: 100_000)
      + String(repeating: "\u{302}", count: 100_000)
    let started = ContinuousClock.now
    #expect(sameBytes(tokenizer.decode(tokenizer.encode(text)), expected))
    #expect(ContinuousClock.now - started < .seconds(10))
  }
}
