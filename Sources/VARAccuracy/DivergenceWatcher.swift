import VARForcedRun
import VARKernels
import VARSystem

/// Watches the run of a model: holds what it says against what the reference said of the same tokens and bits.
final class DivergenceWatcher: ForcedRunWatcher {
  let wantsWordLogits = true
  /// Of each scale.
  private(set) var bits: [Divergence] = []
  /// Sums of the divergence over all bits and drawings, of each token of each scale.
  private(set) var sumsPerToken: [[Double]] = []
  /// Of the words of answers; those before a picture, always the same, are left out.
  private(set) var words = Divergence()
  /// Cosines of the embeddings of pictures with the reference's, token by token.
  private(set) var cosines = Sample()
  /// Probability of the tokens whose logits the reference did not keep.
  private(set) var leftOut = CaseMean()
  private var reader: OutputSpool.Reader
  private let keptTokenCount: Int
  private let cases: [PreparedCase]
  /// The case whose words are seen, and how many of them were.
  private var reading = (index: -1, wordCount: 0)

  init(_ outputs: ReferenceOutputs, cases: [PreparedCase]) {
    reader = OutputSpool.Reader(outputs.said)
    keptTokenCount = outputs.keptTokenCount
    self.cases = cases
  }

  /// Bytes that it keeps of all bits of the cases: two values of each, and both again in the sum of all scales.
  static func byteCount(_ cases: [PreparedCase]) -> Int {
    cases.reduce(0) { $0 + ($1.bits?.reduce(0) { $0 + $1.count } ?? 0) }
      * 4 * MemoryLayout<Float>.size
  }

  func observe(_ site: LinearSite, _ input: Rows) {}

  func see(pictureEmbeddings: Rows, ofCase index: Int) throws {
    cosines.beginCase()
    for token in 0..<pictureEmbeddings.count {
      let expected: [Float] = try reader.read(pictureEmbeddings.columns)
      expected.withUnsafeBufferPointer {
        cosines.add(Self.cosine($0, pictureEmbeddings[token]))
      }
    }
  }

  private static func cosine(
    _ expected: UnsafeBufferPointer<Float>, _ actual: UnsafePointer<Float>
  ) -> Double {
    var (product, first, second) = (0.0, 0.0, 0.0)
    for index in expected.indices {
      let (a, b) = (Double(expected[index]), Double(actual[index]))
      product += a * b
      first += a * a
      second += b * b
    }
    let lengths = (first * second).squareRoot()
    // Zeros are equal to zeros, and to nothing else.
    guard lengths > 0 else { return first == second ? 1 : 0 }
    return product / lengths
  }

  func see(wordLogits: Rows, ofCase index: Int) throws {
    let item = cases[index]
    guard item.bits == nil else { return }
    if index != reading.index {
      reading = (index, 0)
      words.beginCase()
      leftOut.beginCase()
    }
    for row in 0..<wordLogits.count {
      let expected = try TopLogits(&reader, keeping: keptTokenCount, of: wordLogits.columns)
      words.add(
        reference: expected, UnsafeBufferPointer(wordLogits[row..<row + 1].values),
        given: item.word(reading.wordCount))
      leftOut.add(expected.facts.leftOut)
      reading.wordCount += 1
    }
  }

  func see(bitLogits: Rows, scale: Int, ofCase index: Int) throws {
    guard let given = cases[index].bits?[scale] else { return }
    while bits.count <= scale {
      bits.append(Divergence())
      sumsPerToken.append([])
    }
    if sumsPerToken[scale].isEmpty {
      sumsPerToken[scale] = [Double](repeating: 0, count: bitLogits.count)
    }
    bits[scale].beginCase()
    let bitCount = bitLogits.columns / 2
    let expected: [Float] = try reader.read(bitLogits.values.count)
    expected.withUnsafeBufferPointer { expected in
      for token in 0..<bitLogits.count {
        let first = token * bitLogits.columns
        sumsPerToken[scale][token] += bits[scale].add(
          reference: UnsafeBufferPointer(
            rebasing: expected[first..<first + bitLogits.columns]),
          UnsafeBufferPointer(bitLogits[token..<token + 1].values),
          given: given[token * bitCount..<(token + 1) * bitCount])
      }
    }
  }
}
