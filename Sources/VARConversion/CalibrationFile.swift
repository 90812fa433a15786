import CVARKernels
import VARCheckpoint
import VARModels
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
/// | `NAME.drift` | whole blocks | mean of `(x - x_q) x_qᵀ` (`InputDrift`) |
/// | `NAME.drift_means` | inputs | mean of `x - x_q` of each input |
///
/// The last two are there for the generator's inputs where its layers were rounded one after the other: `x_q` is what a
/// layer gets from rounded ones, `x` what it gets from the original ones, and all else is of `x_q`.
///
/// Its metadata are `calibration`, the version of this format, `model`, the content hash of the model that ran,
/// `block`, the columns of a block, and `content`, the hash of all behind the header; in version 2, which has drifts,
/// also `recipe` and `rounding`, name and identity of what rounded the generator (`GeneratorRounding`). An input that
/// no token reached has counts of 0.
package struct CalibrationFile: Sendable {
  /// Without drifts and with them.
  package static let versions = (plain: "1", withDrifts: "2")
  private static let maximumBlockCols = 4096

  package let path: String
  /// Columns of a block; an input of fewer has one.
  package let blockCols: Int
  /// Content hash of the model that ran.
  package let modelHash: String
  /// What conversions are told apart by: a hash of places, counts and the content's hash.
  package let identity: String
  /// The recipe that rounded the generator; nil where the file serves every recipe.
  package let recipe: RecipeReference?
  /// The inputs that were counted.
  package let inputs: [Input]
  private let tensors: [String: CheckpointTensor]

  /// A recipe as a calibration for it names it.
  package struct RecipeReference: Sendable {
    package let name: String
    /// That of its `GeneratorRounding`.
    package let identity: String

    package init(name: String, identity: String) {
      (self.name, self.identity) = (name, identity)
    }
  }

  /// What was counted of an input.
  package struct Input: Sendable {
    package let name: String
    package let cols: Int
    package let tokenCount: Int
    /// Sum of the tokens' weights.
    package let weightSum: Double
    package let kurtosis: Double
  }

  /// - Throws: `CheckpointError` for a file that is none, or of another version.
  package init(path: String) throws {
    let file = try SafetensorsFile(path: path)
    func fail(_ detail: String) -> CheckpointError {
      CheckpointError(
        .unsupportedFormat, path: path, "\(detail); make it with varconvert calibrate")
    }
    guard let version = file.metadata["calibration"] else { throw fail("is no calibration") }
    let hasDrifts = version == Self.versions.withDrifts
    guard hasDrifts || version == Self.versions.plain else {
      throw fail(
        "is a calibration of version \(version), \(Self.versions.plain) and "
          + "\(Self.versions.withDrifts) are read")
    }
    recipe = hasDrifts ? try Self.recipe(file.metadata, path) : nil
    let blockText = file.metadata["block"] ?? ""
    guard let block = Int(blockText), (128...Self.maximumBlockCols).contains(block),
      block % 128 == 0
    else {
      throw fail("has blocks of \"\(blockText)\" columns, a multiple of 128 up to 4096 is read")
    }
    self.path = path
    blockCols = block
    modelHash = file.metadata["model"] ?? ""
    let tensors = Dictionary(
      file.tensors.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    let hasher = try StreamHasher()
    hasher.update(Array((file.metadata["content"] ?? "").utf8))
    var inputs: [Input] = []
    for tensor in file.tensors {
      hasher.update(Array("\(tensor.name) \(tensor.shape) \(tensor.typeName)".utf8))
      guard tensor.elementType == .f32 else { throw fail("tensor \(tensor.name) is not F32") }
      guard let counts = tensors[tensor.name + ".counts"],
        let means = tensors[tensor.name + ".means"],
        let largest = tensors[tensor.name + ".largest"]
      else { continue }
      let cols = means.elementCount
      guard counts.elementCount == 3, cols > 0, cols <= 1 << 20, largest.elementCount == cols,
        tensor.elementCount == SecondMoments.valueCount(cols: cols, blockCols: min(block, cols))
      else {
        throw CheckpointError(
          .invalidShape, path: path, tensor: tensor.name,
          "has other shapes than its means and counts; calibrate again")
      }
      let values = try counts.floats()
      values.withUnsafeBytes { hasher.update($0) }
      // 2^52 tokens are more than any run counts.
      guard values[0] >= 1, values[0] <= 0x1p52, values[1] > 0, values[1].isFinite,
        values[2].isFinite
      else { continue }
      inputs.append(
        Input(
          name: tensor.name, cols: cols, tokenCount: Int(values[0]),
          weightSum: Double(values[1]), kurtosis: Double(values[2])))
    }
    self.tensors = tensors
    self.inputs = inputs
    identity = hasher.value.description
  }

  private static func recipe(
    _ metadata: [String: String], _ path: String
  ) throws(CheckpointError) -> RecipeReference {
    guard let name = metadata["recipe"], let identity = metadata["rounding"] else {
      throw CheckpointError(
        .unsupportedFormat, path: path, "names no recipe; calibrate again")
    }
    return RecipeReference(name: name, identity: identity)
  }

  /// The second moments of an input, in blocks that its tokens are enough for; nil where it is rounded to the nearest.
  ///
  /// - Parameter hasBias: whether the layer has a bias, which makes good what is wrong on average.
  /// - Throws: `CheckpointError` where they do not belong to an input of `cols` columns.
  package func moments(of input: String, cols: Int, hasBias: Bool) throws -> SecondMoments? {
    guard let moments = try storedMoments(of: input, cols: cols) else { return nil }
    let means = hasBias ? try columns(of: input).means : nil
    guard means?.count ?? cols == cols else {
      throw CheckpointError(
        .invalidShape, path: path, tensor: input,
        "has \(means?.count ?? 0) means, the layer \(cols) inputs; calibrate this model")
    }
    let used = moments.forRounding(means: means)
    guard used?.isFinite ?? true else {
      throw CheckpointError(
        .notFinite, path: path, tensor: input,
        "has means whose products are no finite numbers; calibrate again")
    }
    return used
  }

  /// The second moments of an input as they are in the file; nil where none were counted.
  package func storedMoments(of input: String, cols: Int) throws -> SecondMoments? {
    guard let tensor = tensors[input], let counted = self.input(input) else { return nil }
    let block = min(blockCols, cols)
    let count = SecondMoments.valueCount(cols: cols, blockCols: block)
    guard tensor.elementCount == count else {
      throw CheckpointError(
        .invalidShape, path: path, tensor: input,
        "holds \(tensor.elementCount) values, \(count) belong to \(cols) inputs in blocks of "
          + "\(block); calibrate this model")
    }
    let triangles = try finite(tensor)
    return SecondMoments(
      cols: cols, blockCols: block, tokenCount: counted.tokenCount, triangles: triangles,
      drift: try drift(of: input, cols: cols, blockCols: block))
  }

  /// Whether the drift of an input is known.
  func hasDrift(of input: String) -> Bool { recipe != nil && tensors[input + ".drift"] != nil }

  private func drift(of input: String, cols: Int, blockCols: Int) throws -> InputDrift? {
    guard hasDrift(of: input) else { return nil }
    let (products, means) = try driftTensors(of: input, cols: cols, blockCols: blockCols)
    return InputDrift(products: try finite(products), means: try finite(means))
  }

  private func driftTensors(
    of input: String, cols: Int, blockCols: Int
  ) throws(CheckpointError) -> (products: CheckpointTensor, means: CheckpointTensor) {
    guard let products = tensors[input + ".drift"], let means = tensors[input + ".drift_means"],
      means.elementCount == cols,
      products.elementCount == InputDrift.valueCount(cols: cols, blockCols: blockCols)
    else {
      throw CheckpointError(
        .invalidShape, path: path, tensor: input,
        "has no drift of the shape of its moments; calibrate again")
    }
    return (products, means)
  }

  /// Means and largest magnitudes of the columns of an input.
  package func columns(of input: String) throws -> (means: [Float], largest: [Float]) {
    guard let means = tensors[input + ".means"], let largest = tensors[input + ".largest"],
      means.elementCount == largest.elementCount
    else {
      throw CheckpointError(
        .invalidShape, path: path, tensor: input, "has not one mean and one largest value a column")
    }
    return (try finite(means), try finite(largest))
  }

  private func finite(_ tensor: CheckpointTensor) throws -> [Float] {
    let values = try tensor.floats()
    guard cvar_first_not_finite(values, values.count) == values.count else {
      throw CheckpointError(
        .notFinite, path: path, tensor: tensor.name,
        "holds what is no finite number; calibrate again")
    }
    return values
  }

  private func input(_ name: String) -> Input? { inputs.first { $0.name == name } }

  /// Columns of the blocks in which weights of an input are rounded: those of the file, fewer where so many columns
  /// have too few tokens, nil where even 128 have.
  package func usedBlockCols(of name: String, cols: Int) -> Int? {
    guard let input = input(name) else { return nil }
    return SecondMoments.usedBlockCols(
      tokenCount: input.tokenCount, cols: cols, blockCols: blockCols)
  }
}

extension ConversionPlan.Row {
  /// Whether the tensor is rounded or corrected by what a calibration knows of its input.
  func isCompensated(by calibration: CalibrationFile?) -> Bool {
    guard let calibration, mayBeCompensated else { return false }
    guard precision.isInteger || calibration.hasDrift(of: input) else { return false }
    return calibration.usedBlockCols(of: input, cols: cols) != nil
  }

  private var mayBeCompensated: Bool { layout == .tiles && rounding == .compensated }

  /// What is to be said of a tensor whose input has too few tokens for the blocks of a calibration.
  func shortage(of calibration: CalibrationFile) -> String? {
    // Convolutions are never counted.
    guard mayBeCompensated, precision.isInteger, input == name, shape.count == 2 else {
      return nil
    }
    let used = calibration.usedBlockCols(of: input, cols: cols)
    guard used != min(calibration.blockCols, cols) else { return nil }
    let tokens = calibration.inputs.first { $0.name == input }?.tokenCount ?? 0
    return "\(name): \(tokens) tokens, "
      + (used.map { "rounded in blocks of \($0) columns" } ?? "rounded to the nearest")
  }
}

extension CalibrationFile {
  /// Throws `CheckpointError` where the calibration is for a recipe that rounds the generator in another way, or lacks
  /// drifts of what it has counted.
  func require(_ recipe: Recipe, _ tensors: [TensorSpecification]) throws {
    guard let made = self.recipe else { return }
    guard try GeneratorRounding(recipe, tensors).identity == made.identity else {
      let other = recipe.name == made.name ? "another recipe of this name" : recipe.name
      throw CheckpointError(
        .unsupportedFormat, path: path,
        "is for recipe \(made.name), and \(other) rounds the generator in another way; "
          + "calibrate for it, or for every recipe")
    }
    for tensor in tensors where GeneratorRounding.drifts(tensor) && tensor.input == tensor.name {
      guard let counted = input(tensor.name) else { continue }
      _ = try driftTensors(
        of: counted.name, cols: counted.cols, blockCols: min(blockCols, counted.cols))
    }
  }
}

extension Conversion {
  /// A line for each input that the calibration has too few tokens for.
  package var calibrationShortages: [String] {
    guard let calibration = options.calibration else { return [] }
    return plan.rows.compactMap { $0.shortage(of: calibration) }
  }
}
