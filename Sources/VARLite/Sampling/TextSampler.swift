import CVARKernels

/// Picks the next text token from logits.
package struct TextSampler {
  let sampling: TextSampling
  let repetitionPenalty: Float
  /// Tokens that are never picked.
  let banned: [Int]
  let random: CounterRandom
  private var seen: Set<Int32> = []

  package init(_ sampling: TextSampling, repetitionPenalty: Float, banned: [Int], prompt: [Int32]) {
    self.sampling = sampling
    self.repetitionPenalty = repetitionPenalty
    self.banned = banned
    random = CounterRandom(seed: sampling.seed)
    if repetitionPenalty != 1 { seen = Set(prompt) }
  }

  /// - Parameters:
  ///   - logits: `[vocabSize]`, changed by penalties and bans.
  ///   - step: number of tokens picked before; places the random draw.
  /// - Returns: nil where a logit is no number.
  package mutating func pick(_ logits: UnsafeMutableBufferPointer<Float>, step: Int) -> Int32? {
    for id in seen where Int(id) < logits.count {
      let logit = logits[Int(id)]
      logits[Int(id)] = logit > 0 ? logit / repetitionPenalty : logit * repetitionPenalty
    }
    for id in banned where id < logits.count { logits[id] = -.infinity }
    let largest = Self.largest(logits)
    guard logits[Int(largest)].isFinite else { return nil }
    let id =
      sampling.temperature > 0 ? draw(logits, top: logits[Int(largest)], step: step) : largest
    if repetitionPenalty != 1 { seen.insert(id) }
    return id
  }

  /// The first of the largest, or the first that is no number.
  private static func largest(_ logits: UnsafeMutableBufferPointer<Float>) -> Int32 {
    var best = 0
    for index in logits.indices where !(logits[index] <= logits[best]) {
      best = index
      if logits[index].isNaN { break }
    }
    return Int32(best)
  }

  private func draw(
    _ logits: UnsafeMutableBufferPointer<Float>, top: Float, step: Int
  ) -> Int32 {
    // Sorting whole vocabularies is slow: only the tokens with a probability worth a draw are looked at.
    // The inverse of a temperature near zero must stay finite: zero times infinity is no number.
    let inverse = min(1 / Float(sampling.temperature), .greatestFiniteMagnitude)
    let negligible: Float = 20
    var candidates: [(id: Int, weight: Float)] = []
    for id in logits.indices {
      let distance = (logits[id] - top) * inverse
      if distance > -negligible { candidates.append((id, cvar_exp(distance))) }
    }
    candidates.sort { $0.weight != $1.weight ? $0.weight > $1.weight : $0.id < $1.id }
    if sampling.topK > 0 { candidates = Array(candidates.prefix(sampling.topK)) }
    var total: Float = 0
    for candidate in candidates { total += candidate.weight }
    var kept: Float = 0
    var count = 0
    for candidate in candidates {
      kept += candidate.weight
      count += 1
      if kept >= Float(sampling.topP) * total { break }
    }
    var remainder = random.uniform(step, 0, 0, 1) * kept
    for candidate in candidates.prefix(count) {
      remainder -= candidate.weight
      if remainder < 0 { return Int32(candidate.id) }
    }
    return Int32(candidates[count - 1].id)
  }
}
