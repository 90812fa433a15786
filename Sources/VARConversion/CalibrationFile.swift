import CVARKernels
import VARCheckpoint
import VARQuantization
import VQ4Format

/// What `varconvert calibrate` wrote: second moments and means of the inputs of linear layers.
///
/// A safetensors file. For each input, under the name of the weight that takes it (of those that share it, the first):
///
/// | tensor | shape | |
/// | --- | --- | --- |
/// | `NAME` | triangles of all blocks | mean of `x xᵀ` (`SecondMoments`) |
/// | `NAME.means` | inputs | mean of each input |
/// | `NAME.largest` | inputs | largest magnitude of each input |
/// | `NAME.counts` | 3 | tokens, sum of their weights, kurtosis |
///
/// Its metadata are `calibration`, the version of this format, `model`, the content hash of the model that ran, and
/// `block`, the columns of a block.
package struct CalibrationFile: Sendable {
  package static let version = "1"

  package let path: String
  /// Columns of a block; an input of fewer has one.
  package let blockCols: Int
  /// Hash of the tensors' places and small ones: what conversions are told apart by.
  package let identity: String
  private let tensors: [String: CheckpointTensor]

  /// - Throws: `CheckpointError` for a file that is none, or of another version.
  package init(path: String) throws {
    let file = try SafetensorsFile(path: path)
    func fail(_ detail: String) -> CheckpointError {
      CheckpointError(
        .unsupportedFormat, path: path, "\(detail); make it with varconvert calibrate")
    }
    guard let version = file.metadata["calibration"] else { throw fail("is no calibration") }
    guard version == Self.version else {
      throw fail("is a calibration of version \(version), \(Self.version) is read")
    }
    let blockText = file.metadata["block"] ?? ""
    guard let block = Int(blockText), block > 0, block % 128 == 0 else {
      throw fail("has blocks of \"\(blockText)\" columns, a multiple of 128 is read")
    }
    self.path = path
    blockCols = block
    tensors = Dictionary(
      file.tensors.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    let hasher = try StreamHasher()
    for tensor in file.tensors {
      hasher.update(Array("\(tensor.name) \(tensor.shape) \(tensor.typeName)".utf8))
      guard tensor.elementType == .f32 else { throw fail("tensor \(tensor.name) is not F32") }
      if tensor.byteCount <= 1 << 20 {
        try tensor.floats().withUnsafeBytes { hasher.update($0) }
      }
    }
    identity = hasher.value.description
  }

  /// The second moments of an input; nil where none were counted.
  ///
  /// - Throws: `CheckpointError` where they do not belong to an input of `cols` columns.
  package func moments(of input: String, cols: Int) throws -> SecondMoments? {
    guard let tensor = tensors[input], let counts = tensors[input + ".counts"] else { return nil }
    let block = min(blockCols, cols)
    let count = SecondMoments.valueCount(cols: cols, blockCols: block)
    guard tensor.elementCount == count, counts.elementCount == 3 else {
      throw CheckpointError(
        .invalidShape, path: path, tensor: input,
        "holds \(tensor.elementCount) values, \(count) belong to \(cols) inputs in blocks of "
          + "\(block); calibrate this model")
    }
    let triangles = try tensor.floats()
    guard cvar_first_not_finite(triangles, triangles.count) == triangles.count else {
      throw CheckpointError(
        .notFinite, path: path, tensor: input, "holds what is no finite number; calibrate again")
    }
    return SecondMoments(
      cols: cols, blockCols: block, tokenCount: Int(max(0, min(0x1p52, try counts.floats()[0]))),
      triangles: triangles)
  }

  /// Whether an input was counted.
  package func has(_ input: String) -> Bool { tensors[input] != nil }
}

extension ConversionPlan.Row {
  /// Whether the tensor is rounded by what a calibration knows of its input.
  func isCompensated(by calibration: CalibrationFile?) -> Bool {
    guard let calibration, precision.isInteger, layout == .tiles, rounding == .compensated else {
      return false
    }
    return calibration.has(input)
  }
}
