import VARForcedRun
import VARModels

/// Weights of one role in neighbouring layers: what their precision costs is measured together.
package struct ProbeGroup: Sendable {
  /// The name of the first weight, with the layers: `model.layers.0-8.mlp.down_proj.weight`.
  package let name: String
  /// Names of the weights.
  package let weights: [String]
  /// Where a run that only differs in these weights may begin; nil: at its start.
  let start: RunPlace?

  /// Groups that are measured at most.
  static let maximumCount = 64
  /// The same of a large model, for which each takes a minute or two.
  private static let largeMaximumCount = 42

  /// Divides the weights of a model, those of the picture tokenizer left out: no run passes them.
  ///
  /// Weights that take the same input stay together. Each role is divided into as many runs of layers as the number of
  /// groups allows.
  static func groups(_ weights: [TensorSpecification], _ places: RunPlaces) -> [ProbeGroup] {
    var roles: [String] = []
    var members: [String: [TensorSpecification]] = [:]
    for weight in weights where !weight.isOfPictureTokenizer {
      let role = weight.role
      if members[role] == nil { roles.append(role) }
      members[role, default: []].append(weight)
    }
    let layerCounts = roles.map { role in Set((members[role] ?? []).map(\.layer)).count }
    let maximum = SearchScale.isLarge(weights) ? largeMaximumCount : maximumCount
    let parts = (1...maximum).last { parts in
      layerCounts.reduce(0) { $0 + min(parts, $1) } <= maximum
    }
    return zip(roles, layerCounts).flatMap { role, layerCount -> [ProbeGroup] in
      let count = min(parts ?? 1, layerCount)
      return (0..<count).compactMap { part in
        let own = (members[role] ?? []).filter { ($0.layer ?? 0) * count / layerCount == part }
        guard let first = own.first else { return nil }
        return ProbeGroup(
          name: first.name(ofLayers: own.compactMap(\.layer)), weights: own.map(\.name),
          start: places.earliest(own))
      }
    }
  }
}

extension TensorSpecification {
  var isOfPictureTokenizer: Bool { component == .vaeDecoder || component == .vaeEncoder }

  /// The name of the weight whose input it takes, with `*` for the layer.
  fileprivate var role: String { replacingLayer(in: input, by: "*") }

  fileprivate func name(ofLayers layers: [Int]) -> String {
    guard let first = layers.min(), let last = layers.max(), first < last else { return name }
    return replacingLayer(in: name, by: "\(first)-\(last)")
  }

  /// The name with `*` for the layer, as recipes match it. Levels of the picture tokenizer are not named by their
  /// layers.
  var pattern: String { isOfPictureTokenizer ? name : replacingLayer(in: name, by: "*") }

  private func replacingLayer(in name: String, by text: String) -> String {
    guard let layer else { return name }
    var parts = name.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    guard let place = parts.firstIndex(of: "\(layer)") else { return name }
    parts[place] = text
    return parts.joined(separator: ".")
  }
}
