import VARForcedRun
import VARKernels
import VARLite
import VARModels
import VARSystem

/// Adds up the inputs of linear layers as a run shows them.
///
/// Layers that take the same input are counted once, under the name of the first of them (`TensorSpecification.input`).
final class MomentCollector: ForcedRunWatcher {
  private let pool: ThreadPool
  private let instructionSet: InstructionSet
  private let blockCols: Int
  /// What is counted, by the number of the tensor in the file.
  private let inputs: [Int: String]
  private let emit: (String, CalibratedInput) throws -> Void
  private let offerState: (() -> ForcedRunState) throws -> Void
  private var moments: [String: InputMoments] = [:]
  /// What each row of the pass counts, and how many of them each layer has seen.
  private var weights: [Float] = []
  private var seen: [Int: Int] = [:]

  /// - Parameters:
  ///   - blockCols: columns of a block of second moments.
  ///   - emit: called with each input when all tokens are counted.
  ///   - offer: called between layers with what gives the state of the run.
  init(
    _ model: Model, blockCols: Int, emit: @escaping (String, CalibratedInput) throws -> Void,
    offer: @escaping (() -> ForcedRunState) throws -> Void
  ) throws {
    pool = try model.runtime.threads()
    instructionSet = model.runtime.options.instructionSet
    self.blockCols = blockCols
    self.emit = emit
    offerState = offer
    var inputs: [Int: String] = [:]
    for tensor in model.tensors where tensor.kind == .matrix && tensor.input == tensor.name {
      guard let index = model.file.tensorIndex(named: tensor.name) else { continue }
      inputs[index] = tensor.name
    }
    self.inputs = inputs
  }

  func begin(_ kinds: TokenKinds) {
    weights = TokenWeights.weights(kinds)
    seen = [:]
  }

  func observe(_ site: LinearSite, _ input: Rows) {
    guard let name = inputs[site.tensor] else { return }
    let first = seen[site.tensor] ?? 0
    precondition(first + input.count <= weights.count, "\(name) sees more rows than were announced")
    seen[site.tensor] = first + input.count
    let sums = moments[name] ?? InputMoments(cols: input.columns, blockCols: blockCols)
    moments[name] = sums
    for rows in Compute.rowBlocks(input.count) {
      sums.add(
        input[rows], weights: weights[first + rows.lowerBound..<first + rows.upperBound], pool,
        instructionSet)
    }
  }

  func offer(_ state: () -> ForcedRunState) throws {
    try offerState(state)
  }

  func finishLayer() throws {
    defer { moments = [:] }
    for (name, moments) in moments.sorted(by: { $0.key < $1.key }) {
      try emit(name, CalibratedInput(moments))
    }
  }
}
