import VARKernels

/// One picture's way through the encoder or decoder.
struct VAERun {
  let network: VAENetwork
  let workspace: VAEWorkspace
  let context: RunContext
  /// Gets the outputs of the last convolution, strip by strip.
  let rows: (_ rows: Range<Int>, _ values: Rows) -> Void
  /// Size of what the first convolution reads.
  private let height, width: Int
  private var region: MapRegion?
  private var current: FeatureMap

  /// - Parameter source: what the first convolution reads.
  init(
    _ network: VAENetwork, workspace: VAEWorkspace, _ context: RunContext, source: FeatureMap,
    rows: @escaping (_ rows: Range<Int>, _ values: Rows) -> Void
  ) {
    self.network = network
    self.workspace = workspace
    self.context = context
    self.rows = rows
    (height, width) = (source.height, source.width)
    current = source
  }

  /// - Parameter finished: called with the number of finished stages.
  mutating func run(finished: (Int) -> Void) throws(ModelError) {
    let weights = network.weights
    let stages = network.stages
    for (index, stage) in stages.enumerated() {
      let following = index + 1 < stages.count ? stages[index + 1].operations : []
      let operations = stage.operations + following
      try weights.with(stage.group) { () throws(ModelError) in
        for (index, operation) in stage.operations.enumerated() {
          let next = operations[(index + 1)...].first { !$0.isRecord }
          try perform(operation, gathering: next?.isNormalizing == true ? workspace.sums : nil)
        }
      }
      finished(index + 1)
    }
  }

  /// - Parameter sums: where the next operation expects the sums of this one's map.
  private mutating func perform(
    _ operation: VAENetwork.Operation, gathering sums: ChannelSums?
  ) throws(ModelError) {
    let before = region
    let step = network.step(
      operation, after: before, height: height, width: width,
      threadCount: workspace.layout.threadCount, stripRows: workspace.layout.stripRows)
    region = step.region
    switch operation {
    case .record(let name): record(name)
    case .input(let reference, _):
      try convolve(
        ConvolutionInput(current), reference, step,
        into: .map(step.region.input(workspace.maps), sums: sums))
      current = step.region.input(workspace.maps)
    case .upsample(let reference, _):
      makeRoom(step)
      try convolve(
        ConvolutionInput(doubled: current), reference, step,
        into: .map(step.region.input(workspace.maps), sums: sums))
      current = step.region.input(workspace.maps)
    case .downsample(let reference, _):
      makeRoom(step)
      try convolve(
        ConvolutionInput(current), reference, step,
        into: .map(step.region.input(workspace.maps), sums: sums))
      current = step.region.input(workspace.maps)
    case .block(let block): try apply(block, step, gathering: sums)
    case .output(let norm, let reference):
      try convolve(normalized(current, norm), reference, step, into: .rows(rows))
    }
  }

  /// Moves the map to the end of the maps' memory, so that the next level's can grow over it from the beginning: with
  /// both ends of the memory right, a row never reaches those of the coarser map that are still to be read.
  private mutating func makeRoom(_ step: VAENetwork.Step) {
    let byteCount = current.height * current.width * current.channels * current.type.byteCount
    current = current.moved(to: workspace.maps + step.mapByteCount - byteCount)
  }

  private mutating func apply(
    _ block: VAENetwork.ResidualBlock, _ step: VAENetwork.Step, gathering sums: ChannelSums?
  ) throws(ModelError) {
    let inner = step.region.inner(workspace.maps)
    let map = step.region.map(workspace.maps)
    try convolve(
      normalized(current, block.norm1), block.conv1, step,
      shortcut: block.shortcut.map {
        ConvolutionShortcut(network.weights.layer($0), into: map)
      }, into: .map(inner, sums: workspace.sums))
    try convolve(
      normalized(inner, block.norm2), block.conv2, step, part: 1,
      into: .map(map, adding: map, sums: sums))
    current = map
  }

  /// The map by the sums that were gathered with it.
  private func normalized(_ map: FeatureMap, _ norm: VAENetwork.Norm) -> ConvolutionInput {
    let configuration = network.configuration
    let groupNorm = GroupNorm(
      groups: configuration.groups(channels: map.channels),
      weight: network.weights.values(norm.weight), bias: network.weights.values(norm.bias),
      eps: configuration.groupNormEps)
    return ConvolutionInput(
      map,
      normalizedBy: groupNorm.gains(
        workspace.sums, pixelCount: map.height * map.width, channels: map.channels,
        into: workspace.gains))
  }

  private func convolve(
    _ input: ConvolutionInput, _ reference: LinearReference, _ step: VAENetwork.Step,
    part: Int = 0, shortcut: ConvolutionShortcut? = nil, into output: ConvolutionOutput
  ) throws(ModelError) {
    let shape = step.shapes[part]
    try context.compute.convolve3x3(
      input, network.weights.layer(reference), shortcut: shortcut, shape: shape,
      memory: workspace.strips(shape, mapByteCount: step.mapByteCount), into: output,
      beforeStrip: context.checkCancellation)
  }

  private func record(_ name: String) {
    guard let trace = context.trace else { return }
    trace.record(
      name, height: current.height, width: current.width, channels: current.channels,
      map: current.values(context.compute))
  }
}

extension VAENetwork.Operation {
  fileprivate var isRecord: Bool { if case .record = self { true } else { false } }
}

extension TraceSink {
  /// Records a map `[height, width, channels]` in the order of the reference, `[1, channels, height, width]`.
  package func record(
    _ name: String, height: Int, width: Int, channels: Int, map: UnsafePointer<Float>
  ) {
    var planes = [Float](repeating: 0, count: height * width * channels)
    for pixel in 0..<height * width {
      for channel in 0..<channels {
        planes[channel * height * width + pixel] = map[pixel * channels + channel]
      }
    }
    record(name, shape: [1, channels, height, width], floats: planes)
  }
}
