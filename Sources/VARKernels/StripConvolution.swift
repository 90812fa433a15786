import CVARKernels

/// What a convolution reads: a map, doubled or normalized on the way.
package struct ConvolutionInput {
  let map: FeatureMap
  let treatment: Treatment

  enum Treatment {
    case none
    /// Every pixel four times.
    case doubled
    /// Multiplied and shifted per channel, then SiLU.
    case normalized(ChannelGains)
  }

  /// The map as it is.
  package init(_ map: FeatureMap) {
    self.init(map: map, treatment: .none)
  }

  /// The map after group norm and SiLU.
  package init(_ map: FeatureMap, normalizedBy gains: ChannelGains) {
    self.init(map: map, treatment: .normalized(gains))
  }

  /// The map with each side doubled by repeating pixels.
  package init(doubled map: FeatureMap) {
    self.init(map: map, treatment: .doubled)
  }

  private init(map: FeatureMap, treatment: Treatment) {
    self.map = map
    self.treatment = treatment
  }

  /// How often each pixel is repeated along each side.
  var repeats: Int { if case .doubled = treatment { 2 } else { 1 } }
  var height: Int { map.height * repeats }
  var width: Int { map.width * repeats }
}

/// Where the outputs of a convolution go.
package enum ConvolutionOutput {
  /// Into a map, to which `adding` may be added first, and which may be `adding` itself; the sums of what is stored are
  /// gathered on request.
  case map(FeatureMap, adding: FeatureMap? = nil, sums: ChannelSums? = nil)
  /// Strip by strip to the caller, which may change them: rows of the map, each `[width, outputs]`.
  case rows((_ rows: Range<Int>, _ values: Rows) -> Void)
}

/// A 1x1 convolution of the input as it is, before it is doubled or normalized, and the map that it goes to.
package struct ConvolutionShortcut {
  let layer: Linear
  let output: FeatureMap

  package init(_ layer: Linear, into output: FeatureMap) {
    self.layer = layer
    self.output = output
  }
}

/// A 3x3 convolution: what it reads, the layers, and where their outputs go.
package struct Convolution {
  let input: ConvolutionInput
  let layer: Linear
  let shortcut: ConvolutionShortcut?
  let output: ConvolutionOutput

  package init(
    _ input: ConvolutionInput, _ layer: Linear, shortcut: ConvolutionShortcut? = nil,
    into output: ConvolutionOutput
  ) {
    self.input = input
    self.layer = layer
    self.shortcut = shortcut
    self.output = output
  }

  fileprivate func check(_ shape: StripShape) {
    precondition(
      layer.cols == 9 * shape.channels && layer.rows == shape.outputs
        && layer.groupSize == shape.groupSize, "a layer of another shape")
    precondition(
      input.height == shape.height && input.width == shape.width
        && input.map.channels == shape.channels, "a map of another shape")
    precondition(
      shortcut?.layer.rows == shape.shortcut?.outputs
        && shortcut?.layer.groupSize == shape.shortcut?.groupSize, "a shortcut of another shape")
  }
}

extension Compute {
  /// Runs a 3x3 convolution over a map, strip by strip.
  ///
  /// Rows of the output, and those of the shortcut, may take the place of rows of the input as long as no row of theirs
  /// ends behind the first row that is still to be read: a strip reads one row more than it writes, at most.
  ///
  /// - Parameters:
  ///   - memory: of `shape.byteCount` bytes, aligned to 64.
  ///   - beforeStrip: called before each strip; what it throws ends the convolution.
  package func convolve3x3<Failure: Error>(
    _ convolution: Convolution, shape: StripShape, memory: UnsafeMutableRawPointer,
    beforeStrip: () throws(Failure) -> Void
  ) throws(Failure) {
    convolution.check(shape)
    let buffers = StripBuffers(shape, memory)
    if let groupSize = shape.groupSize {
      let rows = QuantizedStripInput(self, buffers, groupSize: groupSize)
      try StripRun(self, buffers, convolution, rows).run(beforeStrip)
    } else {
      let rows = FloatStripInput(self, buffers)
      try StripRun(self, buffers, convolution, rows).run(beforeStrip)
    }
  }
}
