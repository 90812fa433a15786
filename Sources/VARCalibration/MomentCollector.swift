import VARConversion
import VARForcedRun
import VARKernels
import VARLite
import VARModels
import VARSystem

/// Adds up the inputs of linear layers as a run shows them.
///
/// Layers that take the same input are counted once, under the name of the first of them (`TensorSpecification.input`).
/// Where the generator is rounded, its inputs are those on the rounded path, and how far they have drifted from the
/// original ones is counted too: of one layer of a block after the other, each when those before it are rounded.
final class MomentCollector: ForcedRunWatcher {
  private let pool: ThreadPool
  private let instructionSet: InstructionSet
  private let blockCols: Int
  /// What is counted, by the number of the tensor in the file.
  private let inputs: [Int: String]
  /// Those of them that come on two paths; none where nothing is rounded.
  private let drifting: Set<Int>
  private let rounder: LayerRounder?
  private let emit: (String, CalibratedInput) throws -> Void
  private let offerState: (() -> ForcedRunState) throws -> Void
  private var moments: [String: InputMoments] = [:]
  private var drifts: [String: DriftSums] = [:]
  private var waiting: WaitingRows
  private var isOnRoundedPath = false
  private var turns = LayerTurns()
  /// What each row of the pass counts, and how many of them each layer has seen.
  private var weights: [Float] = []
  private var seen: [Int: Int] = [:]

  /// - Parameters:
  ///   - blockCols: columns of a block of second moments.
  ///   - rounder: what rounds the generator; nil leaves it as it is.
  ///   - emit: called with each input when all tokens are counted.
  ///   - offer: called between layers with what gives the state of the run.
  init(
    _ model: Model, blockCols: Int, _ rounder: LayerRounder? = nil,
    emit: @escaping (String, CalibratedInput) throws -> Void,
    offer: @escaping (() -> ForcedRunState) throws -> Void
  ) throws {
    pool = try model.runtime.threads()
    instructionSet = model.runtime.options.instructionSet
    self.blockCols = blockCols
    self.rounder = rounder
    self.emit = emit
    offerState = offer
    waiting = WaitingRows(capacity: ForcedRun.rowsPerDrawing(model.configuration))
    var inputs: [Int: String] = [:]
    var drifting: Set<Int> = []
    for tensor in model.tensors where tensor.kind == .matrix && tensor.input == tensor.name {
      guard let index = model.file.tensorIndex(named: tensor.name) else { continue }
      inputs[index] = tensor.name
      if rounder != nil, GeneratorRounding.drifts(tensor) { drifting.insert(index) }
    }
    self.inputs = inputs
    self.drifting = drifting
  }

  var roundedWeights: ReplacedWeights? { rounder?.weights }
  var wantsBlockAgain: Bool { turns.hasLayersLeft }

  func begin(_ kinds: TokenKinds) { begin(kinds, isOnRoundedPath: false) }

  func beginRounded(_ kinds: TokenKinds) { begin(kinds, isOnRoundedPath: true) }

  private func begin(_ kinds: TokenKinds, isOnRoundedPath: Bool) {
    weights = TokenWeights.weights(kinds)
    seen = [:]
    self.isOnRoundedPath = isOnRoundedPath
  }

  func observe(_ site: LinearSite, _ input: Rows) {
    guard let name = inputs[site.tensor] else { return }
    let drifts = drifting.contains(site.tensor)
    if drifts {
      guard turns.see(site.tensor) else { return }
      if !isOnRoundedPath {
        waiting.append(input)
        return
      }
    }
    let first = seen[site.tensor] ?? 0
    precondition(first + input.count <= weights.count, "\(name) sees more rows than were announced")
    seen[site.tensor] = first + input.count
    let sums = moments[name] ?? InputMoments(cols: input.columns, blockCols: blockCols)
    moments[name] = sums
    for rows in Compute.rowBlocks(input.count) {
      let weights = weights[first + rows.lowerBound..<first + rows.upperBound]
      sums.add(input[rows], weights: weights, pool, instructionSet)
      if drifts { addDrift(of: input[rows], name, weights) }
    }
  }

  private func addDrift(of input: Rows, _ name: String, _ weights: ArraySlice<Float>) {
    let sums = drifts[name] ?? DriftSums(cols: input.columns, blockCols: blockCols)
    drifts[name] = sums
    waiting.drift(of: input).withRows(columns: input.columns) {
      sums.add($0, of: input, weights: weights, pool, instructionSet)
    }
  }

  func offer(_ state: () -> ForcedRunState) throws {
    try offerState(state)
  }

  func finishLayer() throws {
    waiting.release()
    let (moments, drifts) = (moments, drifts)
    (self.moments, self.drifts) = ([:], [:])
    for (name, moments) in moments.sorted(by: { $0.key < $1.key }) {
      let input = CalibratedInput(moments, drifts[name])
      try emit(name, input)
      try rounder?.round(name, input)
    }
    turns.advance()
  }

  func endBlock() { rounder?.weights.removeAll() }
}
