import VARCanaries
import VQ4Format

extension FuzzTarget {
  /// What layers of a model make of a small case.
  static let canaries = FuzzTarget(
    "canaries",
    files: { [FuzzFile("small.canaries", $0)] },
    read: { input in
      let canaries = try Canaries(parsing: input)
      guard canaries.bytes == input else {
        preconditionFailure("canaries are not what was written")
      }
      for output in canaries.outputs where !output.values.values.allSatisfy(\.isFinite) {
        preconditionFailure("a value is no finite number")
      }
    })

  /// Two words, a picture of four patches, two scales, and a layer.
  static let smallCanaries: [UInt8] = {
    var encoder = ByteEncoder()
    func text(_ text: String) {
      encoder.append(UInt32(text.utf8.count))
      encoder.append(text.utf8)
    }
    func rows(_ columns: UInt32, _ exponents: [Int8]) {
      encoder.append(columns)
      encoder.append(UInt32(exponents.count))
      for exponent in exponents {
        encoder.append(exponent)
        for column in 0..<columns { encoder.append(UInt16(0x3C00 + column)) }
      }
    }
    encoder.append(Array("canary".utf8) + [1, 0x0A])
    text("varconvert 1")
    for word: UInt32 in [2, 3, 4] { encoder.append(word) }
    rows(3, [0, 1, -1, 2])
    rows(6, [-14, -14])
    encoder.append(UInt32(2))
    for bits: [UInt8] in [[0, 1], [1, 1, 0, 0]] {
      encoder.append(UInt32(bits.count))
      encoder.append(bits)
    }
    encoder.append(UInt32(1))
    encoder.append(UInt64(0x0123_4567_89AB_CDEF))
    encoder.append(UInt32(1))
    text("llm.layers.0")
    encoder.append(VQ4Hash(high: 7, low: 5))
    encoder.append(Float(0.01).bitPattern)
    rows(4, [-3, 9])
    return encoder.bytes
  }()
}
