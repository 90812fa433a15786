import CVARKernels
import VARKernels

/// The layers that encoder and decoder share (ARCHITECTURE 10).
struct VAELayers {
  let configuration: BSQVAEConfiguration
  let weights: ModelWeights

  struct Norm {
    let weight, bias: VectorReference
  }

  struct ResidualBlock {
    let norm1, norm2: Norm
    let conv1, conv2: LinearReference
    let shortcut: LinearReference?
  }

  /// Size of the map that `BSQVAEState.current` holds.
  struct MapSize {
    var height, width, channels: Int
  }

  func norm(_ name: String) -> Norm {
    Norm(
      weight: weights.vector(name + ".norm.weight"), bias: weights.vector(name + ".norm.bias"))
  }

  func convolution(_ name: String) -> LinearReference { weights.linear(name + ".conv") }

  func residualBlock(_ name: String, hasShortcut: Bool) -> ResidualBlock {
    ResidualBlock(
      norm1: norm(name + ".norm1"), norm2: norm(name + ".norm2"),
      conv1: convolution(name + ".conv1"), conv2: convolution(name + ".conv2"),
      shortcut: hasShortcut ? convolution(name + ".nin_shortcut") : nil)
  }

  /// Convolves `input` without normalisation into `state.current`.
  func convolve(
    _ input: UnsafePointer<Float>, _ reference: LinearReference, _ size: inout MapSize,
    stride: Int = 1, state: BSQVAEState, _ compute: Compute
  ) {
    let layer = weights.layer(reference)
    if let map = quantizedMap(size, layer, state) {
      compute.quantize(input, into: map)
      compute.convolve3x3(map, layer, stride: stride, into: state.current)
    } else {
      let map = paddedMap(size, state)
      for y in 0..<size.height {
        map.pixel(y, 0).update(
          from: input + y * size.width * size.channels, count: size.width * size.channels)
      }
      map.clearBorder()
      compute.convolve3x3(
        map, layer, stride: stride, scratch: state.winograd, into: state.current)
    }
    size = MapSize(
      height: size.height / stride, width: size.width / stride, channels: layer.rows)
  }

  /// Group norm and SiLU of `input`, then a 3x3 convolution into `output`, which may be `input`.
  func normalizeAndConvolve(
    _ input: UnsafePointer<Float>, _ norm: Norm, _ reference: LinearReference,
    _ size: inout MapSize, into output: UnsafeMutablePointer<Float>, state: BSQVAEState,
    _ compute: Compute
  ) {
    let groupNorm = GroupNorm(
      groups: configuration.groups(channels: size.channels), weight: weights.values(norm.weight),
      bias: weights.values(norm.bias), eps: configuration.groupNormEps, sums: state.sums)
    let layer = weights.layer(reference)
    if let map = quantizedMap(size, layer, state) {
      compute.normalize(input, groupNorm, scratch: state.winograd, into: map)
      compute.convolve3x3(map, layer, into: output)
    } else {
      let map = paddedMap(size, state)
      compute.normalize(input, groupNorm, into: map)
      compute.convolve3x3(map, layer, scratch: state.winograd, into: output)
    }
    size.channels = layer.rows
  }

  /// `current = conv2(silu(norm2(conv1(silu(norm1(current)))))) + shortcut(current)`.
  func apply(
    _ block: ResidualBlock, _ size: inout MapSize, state: BSQVAEState, _ compute: Compute
  ) {
    let input = size
    normalizeAndConvolve(
      state.current, block.norm1, block.conv1, &size, into: state.temporary, state: state, compute)
    normalizeAndConvolve(
      state.temporary, block.norm2, block.conv2, &size, into: state.temporary, state: state,
      compute)
    if let shortcut = block.shortcut {
      applyShortcut(weights.layer(shortcut), input, state: state, compute)
    }
    compute.add(state.current, state.temporary, count: size.height * size.width * size.channels)
  }

  /// A 1x1 convolution of `state.current` in place.
  private func applyShortcut(
    _ layer: Linear, _ size: MapSize, state: BSQVAEState, _ compute: Compute
  ) {
    let pixels = size.height * size.width
    // The padded buffer is free here and holds any unpadded map. Quantized inputs have scratch for one block.
    let blocks = RangeParts(
      0..<pixels, of: layer.groupSize == nil ? pixels : Compute.maximumBlockRows)
    for block in blocks {
      compute.linear(
        Activations(
          state.current + block.lowerBound * size.channels, rows: block.count, cols: size.channels),
        layer, into: state.padded + block.lowerBound * layer.rows)
    }
    state.current.update(from: state.padded, count: pixels * layer.rows)
  }

  /// Doubles each side by repeating pixels, then convolves into `state.current`.
  func upsample(
    _ reference: LinearReference, _ size: inout MapSize, state: BSQVAEState, _ compute: Compute
  ) {
    let layer = weights.layer(reference)
    let doubled = MapSize(
      height: 2 * size.height, width: 2 * size.width, channels: size.channels)
    if let map = quantizedMap(doubled, layer, state) {
      compute.quantizeUpsampled(state.current, into: map)
      compute.convolve3x3(map, layer, into: state.current)
    } else {
      let map = paddedMap(doubled, state)
      repeatPixels(state.current, size, into: map)
      compute.convolve3x3(map, layer, scratch: state.winograd, into: state.current)
    }
    size = MapSize(height: doubled.height, width: doubled.width, channels: layer.rows)
  }

  private func repeatPixels(
    _ input: UnsafePointer<Float>, _ size: MapSize, into map: PaddedMap
  ) {
    for y in 0..<2 * size.height {
      for x in 0..<2 * size.width {
        let source = input + (y / 2 * size.width + x / 2) * size.channels
        map.pixel(y, x).update(from: source, count: size.channels)
      }
    }
    map.clearBorder()
  }

  private func paddedMap(_ size: MapSize, _ state: BSQVAEState) -> PaddedMap {
    PaddedMap(state.padded, height: size.height, width: size.width, channels: size.channels)
  }

  /// The input of a quantized layer; nil for a float one.
  private func quantizedMap(
    _ size: MapSize, _ layer: Linear, _ state: BSQVAEState
  ) -> QuantizedMap? {
    layer.groupSize.map {
      QuantizedMap(
        state.padded, height: size.height, width: size.width, channels: size.channels,
        groupSize: $0)
    }
  }
}
