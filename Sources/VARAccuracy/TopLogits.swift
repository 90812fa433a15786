import CVARKernels
import VARSystem

/// What a reference says of one token: its most probable ones, and what all others have together.
package struct TopLogits {
  /// In ascending order.
  let ids: [Int32]
  /// Of these tokens.
  let logits: [Float]
  let facts: Facts

  struct Facts: BitwiseCopyable {
    /// `ln sum of e^logit` over the whole vocabulary.
    var logarithm: Double
    /// Probability of all tokens that are not among `ids`.
    var leftOut: Double
    /// Logit of the token of the case.
    var given: Float
    /// The first of the most probable ones.
    var top: Int32
  }

  /// - Parameters:
  ///   - logits: of all tokens of the vocabulary.
  ///   - count: tokens that are kept at most; of equal logits those of smaller numbers.
  ///   - given: the token of the case.
  package init(_ logits: UnsafeBufferPointer<Float>, keeping count: Int, given: Int) {
    let sum = LogitSum(logits)
    var kept = Array(0..<Int32(logits.count))
    if count < logits.count {
      kept.sort {
        let (first, second) = (logits[Int($0)], logits[Int($1)])
        return first == second ? $0 < $1 : first > second
      }
      kept.removeLast(logits.count - count)
      kept.sort()
    }
    ids = kept
    self.logits = kept.map { logits[Int($0)] }
    facts = Facts(
      logarithm: sum.logarithm,
      leftOut: count < logits.count ? sum.share(besides: kept, of: logits) : 0,
      given: logits[given], top: Int32(sum.top))
  }

  // MARK: In a spool

  private struct Entry: BitwiseCopyable {
    var id: Int32
    var logit: Float
  }

  /// Bytes of each token that is kept.
  static let byteCountPerToken = MemoryLayout<Entry>.stride

  package func append(to spool: OutputSpool) throws(SystemError) {
    try spool.append([facts])
    try spool.append(zip(ids, logits).map { Entry(id: $0, logit: $1) })
  }

  /// - Throws: `read` where the spool has no such thing.
  package init(
    _ reader: inout OutputSpool.Reader, keeping count: Int, of vocabSize: Int
  ) throws(SystemError) {
    facts = try reader.read(1)[0]
    let entries: [Entry] = try reader.read(min(count, vocabSize))
    ids = entries.map(\.id)
    logits = entries.map(\.logit)
    guard ids.allSatisfy({ (0..<Int32(vocabSize)).contains($0) }) else {
      throw SystemError(.read(at: reader.place), 0)
    }
  }
}

/// What the logits of one token are normalized by.
struct LogitSum {
  var largest = -Float.infinity
  /// The first of the largest ones.
  var top = 0
  /// Sum of `e^(logit - largest)`.
  var sum = 0.0
  /// `ln sum of e^logit`.
  var logarithm: Double { Double(largest) + cvar_log(sum) }

  init(_ logits: UnsafeBufferPointer<Float>) {
    for (index, logit) in logits.enumerated() where logit > largest {
      (largest, top) = (logit, index)
    }
    for logit in logits { sum += exponential(of: logit) }
  }

  /// Probability of all tokens but some.
  func share(besides ids: [Int32], of logits: UnsafeBufferPointer<Float>) -> Double {
    let rest = ids.reduce(sum) { $0 - exponential(of: logits[Int($1)]) }
    return max(0, rest) / sum
  }

  private func exponential(of logit: Float) -> Double { Double(cvar_exp(logit - largest)) }
}
