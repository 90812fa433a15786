import VARKernels
import VQ4Format

/// The picture tokenizer's encoder or decoder as a list of operations (MODEL 10, 11).
struct VAENetwork {
  let configuration: BSQVAEConfiguration
  let weights: ModelWeights
  /// Element type of all maps.
  let mapType: MapType
  let stages: [Stage]

  /// Operations whose weights are in one group.
  struct Stage {
    let group: TensorGroup
    var operations: [Operation]
  }

  enum Operation {
    /// The first convolution; `next` are the channels of the level that follows.
    case input(LinearReference, next: Int)
    case block(ResidualBlock)
    /// Doubles each side by repeating pixels, then convolves.
    case upsample(LinearReference, next: Int)
    /// A convolution of stride 2.
    case downsample(LinearReference, next: Int)
    /// Group norm and SiLU, then the last convolution.
    case output(Norm, LinearReference)
    /// Shows the map to a trace.
    case record(String)

    /// Whether it normalizes the map that it reads.
    var isNormalizing: Bool {
      switch self {
      case .block, .output: true
      case .input, .upsample, .downsample, .record: false
      }
    }
  }

  struct Norm {
    let weight, bias: VectorReference
  }

  /// `x = conv2(silu(norm2(conv1(silu(norm1(x)))))) + shortcut(x)`.
  struct ResidualBlock {
    let norm1, norm2: Norm
    let conv1, conv2: LinearReference
    let shortcut: LinearReference?
  }

  /// What an operation leaves behind, and what it needs meanwhile.
  struct Step {
    /// The level whose maps are there afterwards.
    let region: MapRegion
    /// Bytes of maps while the operation runs.
    let mapByteCount: Int
    let shapes: [StripShape]
  }
}

// Sizes.
extension VAENetwork {
  static func aligned(_ byteCount: Int) -> Int { (byteCount + 63) / 64 * 64 }

  /// The workspace for pictures.
  ///
  /// - Parameter source: what the first operation reads.
  func reserve(
    _ plan: inout MemoryPlan, _ name: String, source: MapShape, division: StripDivision
  ) -> VAEWorkspace.Layout {
    let channels = (0..<configuration.levelCount).map { configuration.channels(level: $0) }
    let mostChannels = max(channels.max()!, configuration.baseChannels)
    var most = 0
    var region: MapRegion?
    for operation in stages.flatMap(\.operations) {
      let step = step(operation, after: region, source: source, division: division)
      region = step.region
      let strips = step.shapes.map(\.byteCount).max() ?? 0
      most = max(most, Self.aligned(step.mapByteCount) + strips)
    }
    let byteCount = VAEWorkspace.Layout.normByteCount(mostChannels) + most
    return VAEWorkspace.Layout(
      buffer: plan.reserve(name, byteCount: byteCount), byteCount: byteCount,
      mostChannels: mostChannels, source: source, division: division)
  }

  /// - Parameters:
  ///   - region: the level before; nil before the first operation.
  ///   - source: what the first operation reads.
  func step(
    _ operation: Operation, after region: MapRegion?, source: MapShape, division: StripDivision
  ) -> Step {
    func shape(
      _ reference: LinearReference, _ height: Int, _ width: Int, stride: Int = 1,
      shortcut: LinearReference? = nil
    ) -> StripShape {
      let layer = weights.form(reference)
      return StripShape(
        MapShape(height: height, width: width, channels: layer.cols / 9),
        layer: .init(outputs: layer.rows, groupSize: layer.groupSize, stride: stride),
        shortcut: shortcut.map(weights.form).map {
          .init(outputs: $0.rows, groupSize: $0.groupSize)
        }, division: division)
    }
    func level(_ height: Int, _ width: Int, _ reference: LinearReference, next: Int) -> MapRegion {
      MapRegion(
        type: mapType, height: height, width: width,
        inputChannels: weights.form(reference).rows, channels: next)
    }
    if case .input(let reference, let next) = operation {
      let new = level(source.height, source.width, reference, next: next)
      return Step(
        region: new, mapByteCount: new.byteCount,
        shapes: [shape(reference, source.height, source.width)])
    }
    guard let region else { preconditionFailure("a network begins with its input") }
    let (height, width) = (region.height, region.width)
    switch operation {
    case .upsample(let reference, let next):
      let new = level(2 * height, 2 * width, reference, next: next)
      return Step(
        region: new, mapByteCount: max(region.byteCount, new.byteCount),
        shapes: [shape(reference, 2 * height, 2 * width)])
    case .downsample(let reference, let next):
      let new = level(height / 2, width / 2, reference, next: next)
      return Step(
        region: new, mapByteCount: max(region.byteCount, new.byteCount),
        shapes: [shape(reference, height, width, stride: 2)])
    case .block(let block):
      return Step(
        region: region, mapByteCount: region.byteCount,
        shapes: [
          shape(block.conv1, height, width, shortcut: block.shortcut),
          shape(block.conv2, height, width),
        ])
    case .output(_, let reference):
      return Step(
        region: region, mapByteCount: region.byteCount, shapes: [shape(reference, height, width)])
    case .record, .input:
      return Step(region: region, mapByteCount: region.byteCount, shapes: [])
    }
  }
}

// Finding the tensors.
extension VAENetwork {
  static func norm(_ name: String, _ weights: ModelWeights) -> Norm {
    Norm(
      weight: weights.vector(name + ".norm.weight"), bias: weights.vector(name + ".norm.bias"))
  }

  static func convolution(_ name: String, _ weights: ModelWeights) -> LinearReference {
    weights.linear(name + ".conv")
  }

  static func residualBlock(
    _ name: String, hasShortcut: Bool, _ weights: ModelWeights
  ) -> Operation {
    .block(
      ResidualBlock(
        norm1: norm(name + ".norm1", weights), norm2: norm(name + ".norm2", weights),
        conv1: convolution(name + ".conv1", weights),
        conv2: convolution(name + ".conv2", weights),
        shortcut: hasShortcut ? convolution(name + ".nin_shortcut", weights) : nil))
  }
}

extension ModelWeights {
  /// Sizes and quantization of a layer, from the file's directory alone.
  fileprivate func form(_ reference: LinearReference) -> (rows: Int, cols: Int, groupSize: Int?) {
    let description = source.directory.description(ofTensor: reference.weight)
    return (
      description.rows, description.cols,
      description.elementType.isQuantized ? description.groupSize : nil
    )
  }

  /// Whether the file holds all weights of a component in f32.
  func areAllFloat32(_ component: TensorSpecification.Component) -> Bool {
    tensors(of: component).allSatisfy { $0.elementType == .f32 }
  }
}
