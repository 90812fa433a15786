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
  ///   - room: for as many candidates as there are logits.
  /// - Returns: nil where a logit is no number.
  package mutating func pick(
    _ logits: UnsafeMutableBufferPointer<Float>, step: Int,
    in room: UnsafeMutableBufferPointer<Candidate>
  ) -> Int32? {
    for id in seen where Int(id) < logits.count {
      let logit = logits[Int(id)]
      logits[Int(id)] = logit > 0 ? logit / repetitionPenalty : logit * repetitionPenalty
    }
    for id in banned where id < logits.count { logits[id] = -.infinity }
    let largest = Self.largest(logits)
    guard logits[Int(largest)].isFinite else { return nil }
    let id =
      sampling.temperature > 0
      ? draw(logits, top: logits[Int(largest)], step: step, in: room) : largest
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
    _ logits: UnsafeMutableBufferPointer<Float>, top: Float, step: Int,
    in room: UnsafeMutableBufferPointer<Candidate>
  ) -> Int32 {
    // Sorting whole vocabularies is slow: only the tokens with a probability worth a draw are looked at.
    // The inverse of a temperature near zero must stay finite: zero times infinity is no number.
    let inverse = min(1 / Float(sampling.temperature), .greatestFiniteMagnitude)
    let negligible: Float = 20
    var count = 0
    for id in logits.indices {
      let distance = (logits[id] - top) * inverse
      guard distance > -negligible else { continue }
      room[count] = Candidate(id: Int32(id), weight: cvar_exp(distance))
      count += 1
    }
    Candidate.sort(UnsafeMutableBufferPointer(rebasing: room[..<count]))
    if sampling.topK > 0 { count = min(count, sampling.topK) }
    let candidates = room[..<count]
    var total: Float = 0
    for candidate in candidates { total += candidate.weight }
    var kept: Float = 0
    var keptCount = 0
    for candidate in candidates {
      kept += candidate.weight
      keptCount += 1
      if kept >= Float(sampling.topP) * total { break }
    }
    var remainder = random.uniform(step, 0, 0, 1) * kept
    for candidate in candidates.prefix(keptCount) {
      remainder -= candidate.weight
      if remainder < 0 { return candidate.id }
    }
    return candidates[keptCount - 1].id
  }

  /// A token that may be picked.
  package struct Candidate {
    package var id: Int32
    package var weight: Float

    package init(id: Int32, weight: Float) { (self.id, self.weight) = (id, weight) }

    /// The more probable one stands first; of equal ones that of the smaller id.
    private func precedes(_ other: Candidate) -> Bool {
      weight != other.weight ? weight > other.weight : id < other.id
    }

    /// Sorts in place: the language's own sort takes memory that no plan knows of.
    package static func sort(_ candidates: UnsafeMutableBufferPointer<Candidate>) {
      // A heap whose root is the last of all, and which gives that up again and again.
      for root in (0..<candidates.count / 2).reversed() {
        sink(root, in: candidates, count: candidates.count)
      }
      for last in (1..<max(candidates.count, 1)).reversed() {
        candidates.swapAt(0, last)
        sink(0, in: candidates, count: last)
      }
    }

    private static func sink(
      _ root: Int, in heap: UnsafeMutableBufferPointer<Candidate>, count: Int
    ) {
      var root = root
      while 2 * root + 1 < count {
        var child = 2 * root + 1
        if child + 1 < count, heap[child].precedes(heap[child + 1]) { child += 1 }
        guard heap[root].precedes(heap[child]) else { return }
        heap.swapAt(root, child)
        root = child
      }
    }
  }
}
