import Testing
import VARCanaries
import VARLite
import VARTestSupport

/// The attachment of canaries, and the rows in it.
@Suite struct CanaryFormatTests {
  private let bytes: [UInt8]

  init() throws { bytes = try Fixtures.bytes("../fuzz/seeds/canaries/small.canaries") }

  @Test func whatIsReadIsWrittenAgain() throws {
    let canaries = try Canaries(parsing: bytes)
    #expect(canaries.bytes == bytes)
    #expect(!canaries.outputs.isEmpty && !canaries.converter.isEmpty)
  }

  @Test func whatIsCutOrLongerIsRefused() {
    for count in 0..<bytes.count {
      #expect(throws: VARLiteError.self) { try Canaries(parsing: Array(bytes[..<count])) }
    }
    #expect(throws: VARLiteError.self) { try Canaries(parsing: bytes + [0]) }
  }

  @Test func countsBeyondTheBytesAreRefused() {
    for place in 0..<bytes.count - 4 {
      var changed = bytes
      changed.replaceSubrange(place..<place + 4, with: [0xFF, 0xFF, 0xFF, 0xFF])
      // Digests and hashes may be anything.
      if let canaries = try? Canaries(parsing: changed) { #expect(canaries.bytes == changed) }
    }
  }

  @Test func rowsKeepElevenBitsOfEachSize() {
    var random = SplitMix64(seed: 11)
    for exponent in [-120, -60, -20, -3, 0, 9, 40, 110] {
      let factor = Float(sign: .plus, exponent: exponent, significand: 1)
      let values = (0..<96).map { _ in (Float(random.next() % 2001) - 1000) * factor / 1000 }
      let kept = StoredRows(values, columns: 32).values
      let largest = values.reduce(0) { max($0, $1.magnitude) }
      for (value, kept) in zip(values, kept) {
        #expect((value - kept).magnitude <= max(value.magnitude / 2048, largest / 16_777_216))
      }
    }
    #expect(StoredRows([0, 0], columns: 2).values == [0, 0])
  }
}
