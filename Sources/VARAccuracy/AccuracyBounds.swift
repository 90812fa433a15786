/// What a model must keep to. nil: anything is right.
package struct AccuracyBounds: Sendable {
  /// Mean divergence of a bit, in nats.
  package var klPerBit: Double?
  /// Mean divergence of a token, in nats.
  package var klPerToken: Double?
  /// Share of bits whose more probable value is the reference's, in percent.
  package var equalBits: Double?
  /// Share of answers with the reference's words, in percent.
  package var equalAnswers: Double?

  package init() {}

  /// What a model breaks, a line for each bound. What was not measured keeps no bound.
  package func broken(by model: ModelAccuracy) -> [String] {
    var lines: [String] = []
    func require(atMost bound: Double?, _ value: Double?, _ name: String) {
      guard let bound else { return }
      guard let value else { return lines.append("\(name) was not measured") }
      if !(value <= bound) {
        lines.append("\(name) is \(Figure.nats(value)), more than \(bound)")
      }
    }
    func require(atLeast bound: Double?, _ value: Double?, _ name: String) {
      guard let bound else { return }
      guard let value else { return lines.append("\(name) was not measured") }
      if !(value >= bound) {
        lines.append("\(name) is \(Figure.text(value, digits: 4)) %, less than \(bound) %")
      }
    }
    let (bits, words) = (model.bits, model.words)
    require(atMost: klPerBit, bits.count > 0 ? bits.kl.mean : nil, "KL per bit")
    require(atMost: klPerToken, words.count > 0 ? words.kl.mean : nil, "KL per token")
    require(
      atLeast: equalBits, bits.count > 0 ? bits.sameTop.mean * 100 : nil, "share of equal bits")
    let answers = model.outcomes.parts.first { $0.name == "vqa" }
    require(
      atLeast: equalAnswers,
      answers.flatMap { part in
        part.sameAnswers.map { Double($0) / Double(max(part.caseCount, 1)) * 100 }
      }, "share of equal answers")
    return lines
  }
}
