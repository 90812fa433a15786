import VARForcedRun
import VARKernels
import VARLite
import VARModels
import VARSystem

/// Watches the run of the reference: keeps what it says, and shows each of its layers' inputs to the same layer of all
/// models.
final class ReferenceWatcher: ForcedRunWatcher {
  let wantsWordLogits = true
  /// One for each model.
  let outputs: [LayerOutputs]
  private let spool: OutputSpool
  private let isDrawing: [Bool]
  private let reference: LayerWeights
  /// Names of the layers' weights, by their number in the reference's file.
  private let names: [Int: (name: String, rows: Int)]
  /// The first fault of a layer: an observer cannot throw.
  private var failure: ModelError?

  /// Values of the outputs that are computed at once.
  private static let maximumValues = 1 << 22

  init(
    _ reference: Model, against models: [Model], cases: [PreparedCase], spool: OutputSpool
  ) throws {
    isDrawing = cases.map { $0.bits != nil }
    outputs = try models.map { try LayerOutputs($0) }
    self.spool = spool
    self.reference = try LayerWeights(reference)
    var names: [Int: (name: String, rows: Int)] = [:]
    for tensor in reference.tensors where tensor.kind == .matrix {
      guard let index = reference.file.tensorIndex(named: tensor.name) else { continue }
      names[index] = (tensor.name, tensor.shape[0])
    }
    self.names = names
  }

  func observe(_ site: LinearSite, _ input: Rows) {
    guard failure == nil, let layer = names[site.tensor] else { return }
    let step = max(1, min(Compute.maximumBlockRows, Self.maximumValues / layer.rows))
    for first in stride(from: 0, to: input.count, by: step) {
      do throws(ModelError) {
        try compare(layer.name, layer.rows, input[first..<min(input.count, first + step)])
      } catch {
        failure = error
        return
      }
    }
  }

  private func compare(_ name: String, _ rows: Int, _ input: Rows) throws(ModelError) {
    var values = [Float](repeating: 0, count: input.count * rows)
    try values.withUnsafeMutableBufferPointer { values throws(ModelError) in
      let expected = Rows(values.baseAddress!, count: input.count, columns: rows)
      let bias = try reference.multiply(name, input, into: expected)
      for output in outputs { try output.add(name, input, expected: expected, bias: bias) }
    }
  }

  func finishLayer() throws { if let failure { throw failure } }

  func see(pictureEmbeddings: Rows, ofCase index: Int) throws {
    try spool.append(pictureEmbeddings)
  }

  func see(wordLogits: Rows, ofCase index: Int) throws {
    // The words before a picture are always the same.
    if !isDrawing[index] { try spool.append(wordLogits) }
  }

  func see(bitLogits: Rows, scale: Int, ofCase index: Int) throws { try spool.append(bitLogits) }
}
