import VARModels
import VARQuantization
import VQ4Format

/// What a recipe makes of the matrices of the picture generator: its blocks and its head.
///
/// The inputs of a layer depend on how the layers before it are rounded. So what was counted of them behind rounded
/// layers serves recipes that round the generator in the same way alone.
package struct GeneratorRounding: Sendable {
  /// How a matrix is stored.
  package struct Matrix: Sendable {
    package let precision: Precision
    package let groupSize: Int
    package let rounding: Rounding
    /// As the rule has it; nil lets the codebook be chosen.
    package let codebookRange: Int?

    fileprivate init(_ decision: Recipe.Decision, cols: Int) {
      (precision, groupSize) = decision.storage(cols: cols)
      (rounding, codebookRange) = (decision.rounding, decision.codebookRange)
    }
  }

  /// What a hash begins with: another one where the same recipe rounds in another way than before.
  private static let version = "rounding 1"

  package let recipeName: String
  /// By name.
  package let matrices: [String: Matrix]
  /// A hash of all matrices: recipes of the same identity round the generator in the same way.
  package let identity: String

  /// - Parameter tensors: all of a model that its file holds.
  /// - Throws: `QuantizationError` where the recipe does not fit the model.
  package init(_ recipe: Recipe, _ tensors: [TensorSpecification]) throws {
    let weights = tensors.filter { $0.kind != .vector }
    let decisions = try recipe.decisions(for: weights.map(Recipe.Subject.init))
    let hash = try StreamHasher()
    hash.update(Array("\(Self.version)\n".utf8))
    var matrices: [String: Matrix] = [:]
    for (weight, decision) in zip(weights, decisions) where Self.isRounded(weight) {
      let matrix = Matrix(decision, cols: weight.shape[1])
      matrices[weight.name] = matrix
      let text =
        "\(weight.name) \(matrix.precision.rawValue) \(matrix.groupSize) "
        + "\(matrix.rounding.rawValue) \(matrix.codebookRange.map(String.init) ?? "chosen")\n"
      hash.update(Array(text.utf8))
    }
    recipeName = recipe.name
    self.matrices = matrices
    identity = hash.value.description
  }

  /// Whether a tensor is a matrix of the generator's blocks or its head.
  package static func isRounded(_ tensor: TensorSpecification) -> Bool {
    guard tensor.component == .generator, tensor.kind == .matrix else { return false }
    return switch tensor.group {
    case .generatorBlock, .generatorHead: true
    default: false
    }
  }

  /// Whether the input of such a matrix depends on how others before it are rounded. The text features are read apart
  /// and come from the language model.
  package static func drifts(_ tensor: TensorSpecification) -> Bool {
    isRounded(tensor) && tensor.access != .apart
  }
}

extension Recipe.Subject {
  init(_ weight: TensorSpecification) {
    self.init(name: weight.name, component: weight.component.rawValue, layer: weight.layer)
  }
}
