import VARAccuracy
import VARForcedRun
import VARKernels

/// How far what a changed model says is from what the unchanged one says of the same words and bits.
package struct OutputChange: Sendable, Equatable {
  /// Mean divergence of a bit, in nats; 0 where no bits are seen.
  package var klPerBit = 0.0
  /// Mean divergence of a token of an answer, in nats.
  package var klPerToken = 0.0
  /// Share of bits whose more probable value stays.
  package var equalBits = 1.0
}

/// Watches the run of a changed model.
final class ProbeWatcher: ForcedRunWatcher {
  let wantsWordLogits = true
  private let reference: ReferenceOutputs
  private let cases: [PreparedCase]
  private let overlay: WeightOverlay?
  private var bits = Divergence()
  private var words = Divergence()
  private var wordCounts: [Int: Int] = [:]

  init(_ reference: ReferenceOutputs, cases: [PreparedCase], _ overlay: WeightOverlay?) {
    self.reference = reference
    self.cases = cases
    self.overlay = overlay
  }

  var change: OutputChange {
    OutputChange(
      klPerBit: max(0, bits.kl.mean), klPerToken: max(0, words.kl.mean),
      equalBits: bits.count > 0 ? bits.sameTop.mean : 1)
  }

  func observe(_ site: LinearSite, _ input: Rows) {}

  func offer(_ state: () -> ForcedRunState) throws { try overlay?.enter(state().place) }

  func see(wordLogits: Rows, ofCase index: Int) throws {
    let item = cases[index]
    guard item.bits == nil else { return }
    words.beginCase()
    for row in 0..<wordLogits.count {
      let word = wordCounts[index] ?? 0
      let expected = try reference.words(ofCase: index, word)
      expected.withUnsafeBufferPointer {
        words.add(
          reference: $0, UnsafeBufferPointer(wordLogits[row..<row + 1].values),
          given: Int(item.ids[item.answerStart + word]))
      }
      wordCounts[index] = word + 1
    }
  }

  func see(bitLogits: Rows, scale: Int, ofCase index: Int) throws {
    guard let given = cases[index].bits?[scale] else { return }
    let bitCount = bitLogits.columns / 2
    bits.beginCase()
    let expected = try reference.bits(scale: scale, ofCase: index)
    expected.withUnsafeBufferPointer { expected in
      for token in 0..<bitLogits.count {
        let first = token * bitLogits.columns
        _ = bits.add(
          reference: UnsafeBufferPointer(rebasing: expected[first..<first + bitLogits.columns]),
          UnsafeBufferPointer(bitLogits[token..<token + 1].values),
          given: given[token * bitCount..<(token + 1) * bitCount])
      }
    }
  }
}
