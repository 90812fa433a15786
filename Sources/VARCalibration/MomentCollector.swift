import VARKernels
import VARModels

/// Adds up the inputs of linear layers as a run shows them.
///
/// Layers that take the same input are counted once, under the name of the first of them (`TensorSpecification.input`).
final class MomentCollector: LinearObserver {
  private let compute: Compute
  private let blockCols: Int
  /// What is counted, by the number of the tensor in the file.
  private let inputs: [Int: String]
  private(set) var moments: [String: InputMoments] = [:]
  /// What each row of the pass counts, and how many of them each layer has seen.
  private var weights: [Float] = []
  private var seen: [Int: Int] = [:]

  /// - Parameter inputs: name of the input of each tensor that is counted, by its number.
  init(_ compute: Compute, inputs: [Int: String], blockCols: Int) {
    self.compute = compute
    self.inputs = inputs
    self.blockCols = blockCols
  }

  /// Says what the rows of the next pass count, each as often as a layer sees it.
  func begin(weights: [Float]) {
    self.weights = weights
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
        input[rows], weights: weights[first + rows.lowerBound..<first + rows.upperBound], compute)
    }
  }

  /// Hands out what was counted and begins anew.
  func take() -> [String: InputMoments] {
    defer { moments = [:] }
    return moments
  }
}
