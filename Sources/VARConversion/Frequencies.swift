import CVARKernels
import VARModels

/// Inverse frequencies of the rotary embeddings, computed once here so that the runtime needs no powers.
enum Frequencies {
  /// The values of a `rotary_inverse_frequencies` tensor, or nil for other tensors (MODEL 7, 8, 9.5).
  static func values(
    of specification: TensorSpecification, configuration: VARGPTConfiguration
  ) -> [Float]? {
    let count = specification.shape[0]
    switch specification.name {
    case "model.rotary_inverse_frequencies":
      let model = configuration.languageModel
      return powers(base: model.ropeTheta, count: count, dimension: model.headDim)
    case "visual.rotary_inverse_frequencies":
      return powers(
        base: imageBase, count: count, dimension: configuration.vision.headDim / 2)
    case "vargpt_gen.rotary_inverse_frequencies":
      return powers(
        base: imageBase, count: count, dimension: configuration.generator.headDim / 2)
    default: return nil
    }
  }

  /// The base of both two-dimensional embeddings; the official code states no other.
  private static let imageBase = 10_000.0

  /// `base^(-2i / dimension)` for i in `0..<count`.
  private static func powers(base: Double, count: Int, dimension: Int) -> [Float] {
    (0..<count).map { Float(cvar_pow(base, -2 * Double($0) / Double(dimension))) }
  }
}
