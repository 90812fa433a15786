import VARKernels

/// One picture's way through the encoder or decoder.
struct VAERun {
  let network: VAENetwork
  let workspace: VAEWorkspace
  let context: RunContext
  /// Gets the outputs of the last convolution, strip by strip.
  let rows: (_ rows: Range<Int>, _ values: Rows) -> Void
  /// What the first convolution reads.
  private let source: MapShape
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
    self.source = source.shape
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
      operation, after: before, source: source, division: workspace.layout.division)
    region = step.region
    switch operation {
    case .record(let name): record(name)
    case .input(let reference, _):
      try enter(ConvolutionInput(current), reference, step, gathering: sums)
    case .upsample(let reference, _):
      makeRoom(step)
      try enter(ConvolutionInput(doubled: current), reference, step, gathering: sums)
    case .downsample(let reference, _):
      makeRoom(step)
      try enter(ConvolutionInput(current), reference, step, gathering: sums)
    case .block(let block): try apply(block, step, gathering: sums)
    case .output(let norm, let reference):
      let layer = network.weights.layer(reference)
      try run(
        Convolution(normalized(current, norm), layer, into: .rows(rows)), step.shapes[0], step)
    }
  }

  /// Convolves into the map that comes into a level.
  private mutating func enter(
    _ input: ConvolutionInput, _ reference: LinearReference, _ step: VAENetwork.Step,
    gathering sums: ChannelSums?
  ) throws(ModelError) {
    let map = step.region.input(workspace.maps)
    let layer = network.weights.layer(reference)
    try run(Convolution(input, layer, into: .map(map, sums: sums)), step.shapes[0], step)
    current = map
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
    let weights = network.weights
    let first = Convolution(
      normalized(current, block.norm1), weights.layer(block.conv1),
      shortcut: block.shortcut.map { ConvolutionShortcut(weights.layer($0), into: map) },
      into: .map(inner, sums: workspace.sums))
    try run(first, step.shapes[0], step)
    let second = Convolution(
      normalized(inner, block.norm2), weights.layer(block.conv2),
      into: .map(map, adding: map, sums: sums))
    try run(second, step.shapes[1], step)
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

  private func run(
    _ convolution: Convolution, _ shape: StripShape, _ step: VAENetwork.Step
  ) throws(ModelError) {
    try context.compute.convolve3x3(
      convolution, shape: shape,
      memory: workspace.strips(shape, mapByteCount: step.mapByteCount),
      beforeStrip: context.checkCancellation)
  }

  private func record(_ name: String) {
    guard let trace = context.trace else { return }
    let current = current
    trace.record(name, current.height, current.width, channels: current.channels) { y, values in
      current.load(context.compute, y: y, into: values)
    }
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
    record(name, height, width, channels: channels) { y, values in
      values.update(from: map + y * width * channels, count: width * channels)
    }
  }

  /// The same row by row: a map may be as large as all other memory.
  ///
  /// - Parameter load: fills its second argument with a row, `[width, channels]`.
  fileprivate func record(
    _ name: String, _ height: Int, _ width: Int, channels: Int,
    load: (_ y: Int, UnsafeMutablePointer<Float>) -> Void
  ) {
    begin(name, shape: [1, channels, height, width])
    var row = [Float](repeating: 0, count: width * channels)
    var line = [Float](repeating: 0, count: width)
    for y in 0..<height {
      row.withUnsafeMutableBufferPointer { row in
        if let start = row.baseAddress { load(y, start) }
      }
      for channel in 0..<channels {
        for x in 0..<width { line[x] = row[x * channels + channel] }
        line.withUnsafeBufferPointer { put(name, at: (channel * height + y) * width, $0) }
      }
    }
  }
}
