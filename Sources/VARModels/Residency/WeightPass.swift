import VQ4Format

/// Weights that are read, held and given back together.
package enum WeightPart: Hashable, Sendable {
  /// The tensors of a group without those of the other cases, and without tables, whose rows are read one by one.
  case group(Int)
  /// The tensors of a group that are read at another time than the rest.
  case apart(Int)
  /// Some row tiles of a large matrix, whose product is made part by part.
  case slab(tensor: Int, index: Int)

  /// The group that it is part of.
  func group(in file: VQ4File) -> Int {
    switch self {
    case .group(let group), .apart(let group): group
    case .slab(let tensor, _): file.tensors[tensor].group
    }
  }

  /// Whether it comes after another part of the file.
  func isBehind(_ other: WeightPart, in file: VQ4File) -> Bool {
    func place(_ part: WeightPart) -> (Int, Int, Int) {
      switch part {
      case .group(let group): (group, 0, 0)
      case .apart(let group): (group, 1, 0)
      case .slab(_, let index): (part.group(in: file), 2, index)
      }
    }
    return place(self) > place(other)
  }
}

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
    func parts(
      _ kind: WeightBlocks.Kind, where condition: (TensorSpecification) -> Bool
    ) -> [WeightPart] {
      var found: [WeightPart] = []
      for specification in tensors where condition(specification) {
        guard let tensor = blocks.file.tensorIndex(named: specification.name),
          blocks.kind(ofTensor: tensor) == kind
        else { continue }
        for part in blocks.parts(ofTensor: tensor) where found.last != part { found.append(part) }
      }
      return found
    }
    func group(_ name: String) -> [WeightPart] { parts(.group) { $0.group == name } }
    func component(_ component: TensorSpecification.Component) -> [WeightPart] {
      parts(.group) { $0.component == component }
    }
    let embedding = group("generator.embed")
    switch phase {
    case .vision(let pictureCount):
      self.init(parts: component(.vision), passCount: pictureCount)
    case .conversation(let writesText):
      let head = writesText ? parts(.slabs) { _ in true } : []
      self.init(parts: component(.llmEmbedding) + component(.llm) + head)
    case .drawingContext:
      self.init(
        parts: group("projector.out") + embedding + parts(.apart) { $0.component == .generator },
        held: Set(embedding), passCount: 1)
    case .drawing(let scaleCount):
      self.init(
        parts: embedding + group("projector.in") + component(.llmEmbedding) + component(.llm)
          + group("projector.out") + component(.generator).filter { !embedding.contains($0) },
        held: Set(embedding), passCount: scaleCount)
    case .decoding: self.init(parts: component(.vaeDecoder), passCount: 1)
    case .encoding: self.init(parts: component(.vaeEncoder), passCount: 1)
    }
  }
}
