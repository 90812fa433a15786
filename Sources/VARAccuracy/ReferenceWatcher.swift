import VARForcedRun
import VARKernels
import VARLite
import VARModels

/// Watches the run of a reference: keeps what it says, and some rows of what each of its layers gets.
final class ReferenceWatcher: ForcedRunWatcher {
  let wantsWordLogits = true
  private let outputs: ReferenceOutputs
  private let cases: [PreparedCase]
  /// Names of the inputs that are kept, by the number of their first layer's weight in the file.
  private let inputs: [Int: String]
  /// Of the layer at work.
  private var samples: [String: RowSample] = [:]
  /// The case whose words are seen, and how many of them were.
  private var reading = (index: -1, wordCount: 0)

  init(_ reference: Model, _ outputs: ReferenceOutputs, cases: [PreparedCase]) {
    self.outputs = outputs
    self.cases = cases
    var inputs: [Int: String] = [:]
    for name in outputs.layers.places.inputs.keys {
      if let index = reference.file.tensorIndex(named: name) { inputs[index] = name }
    }
    self.inputs = inputs
  }

  func observe(_ site: LinearSite, _ input: Rows) {
    guard let name = inputs[site.tensor] else { return }
    let capacity = outputs.layers.places.rowCount
    samples[name, default: RowSample(capacity: capacity, columns: input.columns)].add(input)
  }

  func finishLayer() throws {
    for (name, sample) in samples { try outputs.layers.put(input: name, sample.rows) }
    samples = [:]
  }

  func see(pictureEmbeddings: Rows, ofCase index: Int) throws {
    try outputs.said.append(pictureEmbeddings)
  }

  func see(wordLogits: Rows, ofCase index: Int) throws {
    let item = cases[index]
    // The words before a picture are always the same.
    guard item.bits == nil else { return }
    if index != reading.index { reading = (index, 0) }
    for row in 0..<wordLogits.count {
      let top = TopLogits(
        UnsafeBufferPointer(wordLogits[row..<row + 1].values),
        keeping: outputs.keptTokenCount, given: item.word(reading.wordCount))
      try top.append(to: outputs.said)
      reading.wordCount += 1
    }
  }

  func see(bitLogits: Rows, scale: Int, ofCase index: Int) throws {
    try outputs.said.append(bitLogits)
  }
}

extension PreparedCase {
  /// A token of the answer.
  func word(_ index: Int) -> Int { Int(ids[answerStart + index]) }
}
