import VARModels
import VARQuantization
import VQ4Format

/// Decides how tensors of a model are stored, as the converter does.
struct TensorMaker {
  let codebook: CodebookKind

  func description(
    _ name: String, shape: [Int], layout: VQ4Layout, precision: Precision, groupSize: Int
  ) -> VQ4TensorDescription {
    let type: VQ4ElementType =
      switch precision {
      case .int4: .int4
      case .int8: .int8
      case .f16: .f16
      case .bf16: .bf16
      case .f32: .f32
      }
    return VQ4TensorDescription(
      name: name, elementType: type, layout: layout, shape: shape, groupSize: groupSize
    ).with(codebook: precision == .int4 ? codebook.entries : [])
  }

  /// A tensor of each specification, by the recipe's decision.
  func tensors(
    _ specifications: [TensorSpecification], recipe: Recipe
  ) throws(QuantizationError) -> [(specification: TensorSpecification, VQ4TensorDescription)] {
    let weights = specifications.filter { $0.kind != .vector }
    let decisions = try recipe.decisions(
      for: weights.map {
        Recipe.Subject(name: $0.name, component: $0.component.rawValue, layer: $0.layer)
      })
    var next = 0
    return specifications.map { specification in
      guard specification.kind != .vector else {
        return (
          specification,
          description(
            specification.name, shape: specification.shape, layout: .vector, precision: .f32,
            groupSize: 0)
        )
      }
      defer { next += 1 }
      return (specification, weight(specification, decisions[next]))
    }
  }

  private func weight(
    _ specification: TensorSpecification, _ decision: Recipe.Decision
  ) -> VQ4TensorDescription {
    let cols = specification.shape.dropFirst().reduce(1, *)
    var precision = decision.precision
    var groupSize = 0
    if precision.isInteger {
      let found = precision.groupSize(wanted: decision.groupSize, cols: cols)
      if let found {
        groupSize = found
      } else {
        precision = .f16
      }
    }
    return description(
      specification.name, shape: specification.shape,
      layout: specification.kind == .table ? .table : .tiles, precision: precision,
      groupSize: groupSize)
  }
}
