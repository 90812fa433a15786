import VQ4Format

/// The weights that a phase of a request reads, in the order in which a pass reads them.
package struct WeightPass: Sendable, Equatable {
  /// Every part once.
  package let parts: [WeightPart]
  /// Parts that are read time and again during a pass.
  package let held: Set<WeightPart>
  /// Passes that the phase makes; nil where that is not known beforehand.
  package let passCount: Int?

  package init(parts: [WeightPart], held: Set<WeightPart> = [], passCount: Int? = nil) {
    self.parts = parts
    self.held = held
    self.passCount = passCount
  }
}

/// A stretch of a request that reads the same weights in the same order, once or many times.
package enum WeightPhase: Sendable, Equatable {
  /// Pictures go through the vision tower.
  case vision(pictureCount: Int)
  /// The language model reads tokens and, with its head, writes text.
  case conversation(writesText: Bool)
  /// The text features of a picture become the generator's keys and values.
  case drawingContext
  /// The scales of a picture go through language model and generator.
  case drawing(scaleCount: Int)
  /// The picture tokenizer turns codes into pixels.
  case decoding
  /// The picture tokenizer turns pixels into features.
  case encoding
}

extension WeightPass {
  /// What a phase reads, in the order in which the networks acquire it.
  ///
  /// - Parameter tensors: what the configuration asks for; those that the file lacks are left out.
  package init(
    _ phase: WeightPhase, tensors: [TensorSpecification], blocks: WeightBlocks
  ) {
    let lists = PartLists(tensors: tensors, blocks: blocks)
    let embedding = lists.group(.generatorEmbedding)
    switch phase {
    case .vision(let pictureCount):
      self.init(parts: lists.component(.vision), passCount: pictureCount)
    case .conversation(let writesText):
      self.init(
        parts: lists.component(.llmEmbedding) + lists.component(.llm)
          + (writesText ? lists.languageHead : []))
    case .drawingContext:
      self.init(
        parts: lists.group(.projectorOut) + embedding
          + lists.parts([.apart]) { $0.component == .generator },
        held: Set(embedding), passCount: 1)
    case .drawing(let scaleCount):
      self.init(
        parts: embedding + lists.beforeGenerator
          + lists.component(.generator).filter { !embedding.contains($0) },
        held: Set(embedding), passCount: scaleCount)
    case .decoding: self.init(parts: lists.component(.vaeDecoder), passCount: 1)
    case .encoding: self.init(parts: lists.component(.vaeEncoder), passCount: 1)
    }
  }

  /// What is read where the patches of many pictures go through the vision tower together, layer by layer.
  init(visionLayersOf tensors: [TensorSpecification], blocks: WeightBlocks) {
    let lists = PartLists(tensors: tensors, blocks: blocks)
    // Each block asks for the angles of each picture.
    self.init(
      parts: lists.component(.vision), held: Set(lists.group(.visionEmbedding)), passCount: 1)
  }

  /// What is read where the rows of many requests go through language model and generator together, layer by layer.
  ///
  /// - Parameter withHead: whether logits of words are computed.
  init(layersOf tensors: [TensorSpecification], withHead: Bool, blocks: WeightBlocks) {
    let lists = PartLists(tensors: tensors, blocks: blocks)
    let embedding = lists.group(.generatorEmbedding)
    // What a block reads apart comes before the rest of it.
    let generator = tensors.filter { $0.component == .generator && $0.access == .apart }.flatMap {
      block in lists.parts([.apart]) { $0.group == block.group } + lists.group(block.group)
    }
    self.init(
      parts: embedding + lists.beforeProjectorOut + (withHead ? lists.languageHead : [])
        + lists.group(.projectorOut) + generator + lists.group(.generatorHead),
      held: Set(embedding), passCount: 1)
  }
}

/// Parts of some tensors, in the order of the tensors.
private struct PartLists {
  let tensors: [TensorSpecification]
  let blocks: WeightBlocks

  func parts(
    _ access: Set<TensorSpecification.Access>, where condition: (TensorSpecification) -> Bool
  ) -> [WeightPart] {
    var found: [WeightPart] = []
    for specification in tensors
    where access.contains(specification.access) && condition(specification) {
      guard let tensor = blocks.file.tensorIndex(named: specification.name) else { continue }
      for part in blocks.parts[tensor] where found.last != part { found.append(part) }
    }
    return found
  }

  func group(_ group: TensorGroup) -> [WeightPart] { parts([.withGroup]) { $0.group == group } }

  func component(_ component: TensorSpecification.Component) -> [WeightPart] {
    parts([.withGroup]) { $0.component == component }
  }

  /// What the tokens of a picture pass on their way to the generator.
  var beforeGenerator: [WeightPart] { beforeProjectorOut + group(.projectorOut) }

  /// What the tokens of a picture pass on their way through the language model.
  var beforeProjectorOut: [WeightPart] {
    group(.projectorIn) + component(.llmEmbedding) + component(.llm)
  }

  /// The language model's head, slab by slab.
  var languageHead: [WeightPart] { parts([.inSlabs, .inSlabsAndByRow]) { _ in true } }
}
