import VARForcedRun
import VARKernels
import VARLite
import VARModels
import VQ4Format

/// Sees what each layer makes of its input, and gives the next one what was kept instead.
///
/// One that records keeps what comes; one that compares holds it against what was kept.
final class CanaryWatcher: ForcedRunWatcher {
  /// What was found of a layer.
  struct Finding {
    let name: String
    let digest: VQ4Hash
    let difference: Difference
    /// Of the generator's head: bits, and those that are the full precision's.
    let bits: (count: Int, equalCount: Int)?
  }

  let wantsWordLogits: Bool
  /// What was kept, or is being kept.
  private(set) var outputs: [Canaries.Output]
  private(set) var findings: [Finding] = []
  private let isRecording: Bool
  /// Names of the layers that are run; nil: all of them.
  private let chosen: Set<String>?
  private let path: String
  /// What went into the layer at work.
  private var input: [Float] = []
  private var next = 0

  private init(
    _ model: Model, _ outputs: [Canaries.Output], isRecording: Bool, chosen: Set<String>?
  ) {
    self.outputs = outputs
    self.isRecording = isRecording
    self.chosen = chosen
    path = model.path
    wantsWordLogits =
      model.configuration.languageModel.tieWordEmbeddings
      || model.file.tensorIndex(named: "lm_head.weight") != nil
  }

  /// Keeps what comes.
  convenience init(recording model: Model) {
    self.init(model, [], isRecording: true, chosen: nil)
  }

  /// Holds what comes against what was kept.
  ///
  /// - Parameter chosen: names of the outputs that are computed; nil: all.
  convenience init(
    comparing model: Model, with outputs: [Canaries.Output], chosen: Set<String>? = nil
  ) {
    self.init(model, outputs, isRecording: false, chosen: chosen)
  }

  /// Throws unless everything that was kept has been seen.
  func finish() throws(VARLiteError) {
    guard isRecording || next == outputs.count else { throw mismatch }
  }

  private var mismatch: VARLiteError {
    VARLiteError(
      .model, "\(path): its canaries were taken from a model of other layers; convert it again")
  }

  // MARK: Watching

  func observe(_ site: LinearSite, _ input: Rows) {}

  func enters(_ group: TensorGroup) -> Bool { !group.addsToItsInput || computes(group.name) }

  /// Whether an output is computed.
  func computes(_ name: String) -> Bool { chosen?.contains(name) ?? true }

  func leave(_ group: TensorGroup, _ values: [[Float]], columns: Int) throws -> [[Float]] {
    let kept = try pass(
      group.name, Array(values.joined()), columns: columns, adds: group.addsToItsInput)
    input = kept
    var first = 0
    return values.map { part in
      defer { first += part.count }
      return Array(kept[first..<first + part.count])
    }
  }

  func see(wordLogits: Rows, ofCase index: Int) throws {
    _ = try pass(
      TensorGroup.languageHead.name, Array(wordLogits.values), columns: wordLogits.columns)
  }

  func see(bitLogits: Rows, scale: Int, ofCase index: Int) throws {
    _ = try pass(
      "\(TensorGroup.generatorHead.name) scale \(scale)", Array(bitLogits.values),
      columns: bitLogits.columns, areBits: true)
  }

  /// Takes what a layer gives.
  ///
  /// - Parameter adds: whether the layer adds to its input.
  /// - Returns: what was kept of it.
  func pass(
    _ name: String, _ values: [Float], columns: Int, adds: Bool = false, areBits: Bool = false
  ) throws(VARLiteError) -> [Float] {
    let base = adds ? input : [Float](repeating: 0, count: values.count)
    guard base.count == values.count else { throw mismatch }
    if isRecording { try record(name, zip(values, base).map { $0 - $1 }, columns) }
    guard next < outputs.count else { throw mismatch }
    let output = outputs[next]
    next += 1
    guard output.name == name, output.values.columns == columns,
      output.values.count * columns == values.count
    else { throw mismatch }
    let kept = output.values.values
    if !isRecording, computes(name) {
      let digest = values.withUnsafeBytes { VQ4Hash(of: $0) }
      let equalCount = areBits ? Self.equalBits(values, kept) : 0
      findings.append(
        Finding(
          name: name, digest: digest,
          difference: Difference(zip(values, base).map { $0 - $1 }, from: kept),
          bits: areBits ? (values.count / 2, equalCount) : nil))
    }
    return adds ? zip(base, kept).map { $0 + $1 } : kept
  }

  private func record(
    _ name: String, _ values: [Float], _ columns: Int
  ) throws(VARLiteError) {
    let rows = StoredRows(values, columns: columns)
    guard rows.isFinite else {
      throw VARLiteError(
        .model, "\(path): \(name) gives what is no finite number in full precision")
    }
    outputs.append(Canaries.Output(name: name, values: rows))
  }

  /// Logits of 0 and 1 lie side by side.
  private static func equalBits(_ values: [Float], _ others: [Float]) -> Int {
    func bits(_ logits: [Float]) -> [Bool] {
      stride(from: 0, to: logits.count, by: 2).map { logits[$0 + 1] > logits[$0] }
    }
    return zip(bits(values), bits(others)).reduce(0) { $0 + ($1.0 == $1.1 ? 1 : 0) }
  }
}

/// How far values are from others.
package struct Difference: Sendable, Equatable {
  /// Root of the sum of squared errors by that of squared values.
  package let error: Double
  /// Of the angle between both.
  package let cosine: Double

  init(_ values: [Float], from wanted: [Float]) {
    var (errors, squares, wantedSquares, products) = (0.0, 0.0, 0.0, 0.0)
    for (value, wanted) in zip(values, wanted) {
      let (value, wanted) = (Double(value), Double(wanted))
      errors += (value - wanted) * (value - wanted)
      squares += value * value
      wantedSquares += wanted * wanted
      products += value * wanted
    }
    error = errors == 0 ? 0 : (errors / max(wantedSquares, .leastNormalMagnitude)).squareRoot()
    let lengths = (squares * wantedSquares).squareRoot()
    cosine = errors == 0 ? 1 : lengths > 0 ? products / lengths : 0
  }
}

extension TensorGroup {
  /// Whether a layer adds to the rows that go through it; there are many of these, and they are large.
  fileprivate var addsToItsInput: Bool {
    switch self {
    case .visionBlock, .languageLayer, .generatorBlock: true
    default: false
    }
  }
}
