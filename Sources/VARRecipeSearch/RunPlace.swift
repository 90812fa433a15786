import VARForcedRun
import VARModels

/// A layer of a forced run, before its first token.
struct RunPlace: Hashable, Comparable, Sendable {
  let stage: ForcedRunState.Stage
  let layer: Int

  static func < (left: RunPlace, right: RunPlace) -> Bool {
    left.stage == right.stage ? left.layer < right.layer : left.stage.order < right.stage.order
  }
}

extension ForcedRunState {
  var place: RunPlace { RunPlace(stage: stage, layer: layer) }
}

extension ForcedRunState.Stage {
  fileprivate var order: Int {
    switch self {
    case .vision: 0
    case .language: 1
    case .generator: 2
    }
  }
}

/// Where the weights of a model come into play.
struct RunPlaces {
  let configuration: VARGPTConfiguration
  /// Whether cases look at pictures.
  let hasPictures: Bool

  /// The last place before any of the weights is read; nil: the start of the run.
  func earliest(_ weights: [TensorSpecification]) -> RunPlace? {
    let places = weights.map { place(of: $0.group) }
    guard !places.contains(nil) else { return nil }
    return places.compactMap(\.self).min()
  }

  private func place(of group: TensorGroup) -> RunPlace? {
    switch group {
    case .visionBlock(let layer): RunPlace(stage: .vision, layer: layer)
    case .visionMerger, .languageEmbedding, .projectorIn, .generatorEmbedding:
      hasPictures ? RunPlace(stage: .vision, layer: configuration.vision.depth - 1) : nil
    case .languageLayer(let layer): RunPlace(stage: .language, layer: layer)
    case .languageNorm, .languageHead, .projectorOut:
      RunPlace(stage: .language, layer: configuration.languageModel.numHiddenLayers - 1)
    case .generatorBlock(let layer): RunPlace(stage: .generator, layer: layer)
    case .generatorHead: RunPlace(stage: .generator, layer: configuration.generator.depth - 1)
    default: nil
    }
  }

  /// The group that a layer reads.
  static func group(at place: RunPlace) -> TensorGroup {
    switch place.stage {
    case .vision: .visionBlock(place.layer)
    case .language: .languageLayer(place.layer)
    case .generator: .generatorBlock(place.layer)
    }
  }

  /// Whether a group belongs to a layer, so that nothing else reads it.
  static func isLayer(_ group: TensorGroup) -> Bool {
    switch group {
    case .visionBlock, .languageLayer, .generatorBlock: true
    default: false
    }
  }
}
