import VARJSON

/// How closely a model follows another one of the same weights in a higher precision.
package struct Fidelity: Sendable, Equatable {
  /// Equal bits and all bits of each scale, with the reference's history forced.
  package private(set) var bitsPerScale: [(equal: Int, count: Int)] = []
  /// Sum of the PSNRs of freely drawn pictures against the reference's, in dB.
  private var psnrSum = 0.0
  package private(set) var pictureCount = 0
  package private(set) var answerCount = 0
  package private(set) var sameAnswerCount = 0

  package static func == (left: Fidelity, right: Fidelity) -> Bool { left.json == right.json }

  mutating func add(sameAnswer: Bool) {
    answerCount += 1
    sameAnswerCount += sameAnswer ? 1 : 0
  }

  mutating func add(bits: [[UInt8]], expected: [[UInt8]], psnrDecibels: Double) {
    pictureCount += 1
    psnrSum += psnrDecibels
    for (scale, pair) in zip(bits, expected).enumerated() {
      if scale == bitsPerScale.count { bitsPerScale.append((0, 0)) }
      bitsPerScale[scale].count += pair.1.count
      bitsPerScale[scale].equal += zip(pair.0, pair.1).count { $0 == $1 }
    }
  }

  /// Mean PSNR in dB; 99 stands for equal pictures.
  package var meanPSNR: Double { pictureCount == 0 ? 0 : psnrSum / Double(pictureCount) }

  /// Share of equal bits over all scales.
  package var bitAgreement: Double {
    let count = bitsPerScale.reduce(0) { $0 + $1.count }
    return count == 0 ? 0 : Double(bitsPerScale.reduce(0) { $0 + $1.equal }) / Double(count)
  }

  package var json: JSONValue {
    var object = JSONObject()
    if answerCount > 0 {
      object["same_answers"] = .number(Double(sameAnswerCount) / Double(answerCount))
    }
    if pictureCount > 0 {
      object["bit_agreement"] = .number(bitAgreement)
      object["bit_agreement_per_scale"] = .array(
        bitsPerScale.map { .number(Double($0.equal) / Double(max($0.count, 1))) })
      object["psnr_db"] = .number(meanPSNR)
    }
    return .object(object)
  }

  /// One line per measure, for people.
  package var summary: String {
    func percent(_ share: Double) -> String { "\((share * 100_000).rounded() / 1000) %" }
    var lines: [String] = []
    if answerCount > 0 {
      lines.append("same answers as the reference: \(sameAnswerCount) of \(answerCount)")
    }
    if pictureCount > 0 {
      let scales = bitsPerScale.map { percent(Double($0.equal) / Double(max($0.count, 1))) }
      lines.append(
        "bits equal to the reference, its history forced: \(percent(bitAgreement)) (per scale "
          + scales.joined(separator: ", ") + ")")
      lines.append(
        "pictures against the reference's: \((meanPSNR * 100).rounded() / 100) dB PSNR on average")
    }
    return lines.joined(separator: "\n")
  }
}
