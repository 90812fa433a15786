import CVARKernels

/// One convolution under way: its buffers, and the two steps of each strip. Inputs are read by columns, products go by
/// patches or rows, and outputs are stored by rows, whose sums have one order whatever the threads.
struct StripRun {
  let compute: Compute
  let shape: StripShape
  let input: ConvolutionInput
  let layer: Linear
  let shortcut: ConvolutionShortcut?
  let target: ConvolutionOutput
  private let rowsUnderKernel: InputRows
  private let memory: UnsafeMutableRawPointer
  private let offsets: StripShape.Offsets

  /// The rows under a strip, as the layer's kernels take them.
  private enum InputRows {
    case floats(UnsafeMutablePointer<Float>)
    case codes(QuantizedMap)
  }

  init(
    compute: Compute, shape: StripShape, memory: UnsafeMutableRawPointer, input: ConvolutionInput,
    layer: Linear, shortcut: ConvolutionShortcut?, output: ConvolutionOutput
  ) {
    self.compute = compute
    self.shape = shape
    self.input = input
    self.layer = layer
    self.shortcut = shortcut
    self.target = output
    self.memory = memory
    offsets = shape.offsets
    let rows = memory + offsets.input
    rowsUnderKernel =
      shape.groupSize.map {
        .codes(
          QuantizedMap(
            rows, height: shape.inputRows, width: shape.width, channels: shape.channels,
            groupSize: $0))
      } ?? .floats(rows.assumingMemoryBound(to: Float.self))
  }

  private var kernels: UnsafePointer<cvar_kernels> { compute.kernels }
  private var output: UnsafeMutablePointer<Float> { floats(offsets.output) }
  private var shortcutOutput: UnsafeMutablePointer<Float> { floats(offsets.shortcut) }
  private var rowSums: UnsafeMutablePointer<Double> {
    (memory + offsets.rowSums).assumingMemoryBound(to: Double.self)
  }

  private func floats(_ offset: Int) -> UnsafeMutablePointer<Float> {
    (memory + offset).assumingMemoryBound(to: Float.self)
  }

  /// A thread's pixels.
  private func values(_ share: Int) -> UnsafeMutablePointer<Float> {
    floats(offsets.values) + share * shape.valueShare
  }

  private func padded(height: Int) -> PaddedMap? {
    guard case .floats(let pointer) = rowsUnderKernel else { return nil }
    return PaddedMap(pointer, height: height, width: shape.width, channels: shape.channels)
  }

  private var weights: WinogradWeights {
    WinogradWeights(pointer: floats(offsets.weights), layer: layer)
  }

  /// Calls `body` with each thread's number and its part of a range.
  private func split(_ count: Int, _ body: (_ share: Int, _ part: Range<Int>) -> Void) {
    let shares = shape.threadCount
    compute.pool.parallel(shares) { range in
      for share in range {
        let part = count * share / shares..<count * (share + 1) / shares
        if !part.isEmpty { body(share, part) }
      }
    }
  }
}

// The rows under the kernel. A strip's first output lies under row 0 of them, -1 is the row above.
extension StripRun {
  /// What all strips share: zeros around the map, transformed weights.
  func prepare() {
    if shape.stride == 1 { clear(-1, 0, count: shape.width) }
    for row in -1...shape.inputRows {
      clear(row, -1, count: 1)
      clear(row, shape.width, count: 1)
    }
    if shape.isWinograd { weights.transform(compute) }
    if case .map(_, _, let sums?) = target { sums.clear(channels: shape.outputs) }
  }

  /// Keeps what a strip shares with the one before it, and reads further rows of the input; those below it are zeros.
  ///
  /// - Parameter columns: of the input as it is.
  private func readRows(_ strip: Range<Int>, _ columns: Range<Int>, _ share: Int) {
    let first = strip.lowerBound * shape.stride
    // The kernel reaches one row further than the strip, and one further than the one before.
    let end = strip.upperBound * shape.stride + 1
    let known = first > 0 ? first + 1 : 0
    let scale = input.scale
    let pixels = columns.lowerBound * scale..<columns.upperBound * scale
    if first > 0 {
      for row in first - (shape.stride == 1 ? 1 : 0)..<known {
        copy(from: row - first + shape.inputRows, to: row - first, pixels)
      }
    }
    for row in known..<end {
      if row >= shape.height {
        clear(row - first, pixels.lowerBound, count: pixels.count)
      } else if scale == 2, row % 2 == 1 {
        copy(from: row - first - 1, to: row - first, pixels)
      } else {
        for chunk in RangeParts(columns, of: StripShape.chunkPixels) {
          read(row, chunk, into: row - first, values(share))
        }
      }
    }
  }

  private func clear(_ row: Int, _ x: Int, count: Int) {
    switch rowsUnderKernel {
    case .floats: padded(height: shape.inputRows)!.clear(row, x, count: count)
    case .codes(let map): map.clear(row, x, count: count)
    }
  }

  private func copy(from source: Int, to target: Int, _ pixels: Range<Int>) {
    switch rowsUnderKernel {
    case .floats:
      let map = padded(height: shape.inputRows)!
      map.pixel(target, pixels.lowerBound).update(
        from: map.pixel(source, pixels.lowerBound), count: pixels.count * shape.channels)
    case .codes(let map):
      map.copy(
        from: (source, pixels.lowerBound), to: (target, pixels.lowerBound), count: pixels.count)
    }
  }

  /// Reads pixels of a row; where the map is doubled, `pixels` are those before.
  private func read(
    _ row: Int, _ pixels: Range<Int>, into target: Int, _ values: UnsafeMutablePointer<Float>
  ) {
    let source = row / input.scale
    switch rowsUnderKernel {
    case .floats:
      let map = padded(height: shape.inputRows)!
      if case .doubled = input.treatment {
        input.map.load(kernels, y: source, pixels, into: values)
        for (index, x) in pixels.enumerated() {
          let pixel = values + index * shape.channels
          map.pixel(target, 2 * x).update(from: pixel, count: shape.channels)
          map.pixel(target, 2 * x + 1).update(from: pixel, count: shape.channels)
        }
      } else {
        readTreated(source, pixels, into: map.pixel(target, pixels.lowerBound))
      }
    case .codes(let map):
      readTreated(source, pixels, into: values)
      if case .doubled = input.treatment {
        for (index, x) in pixels.enumerated() {
          map.quantize(
            kernels, values + index * shape.channels, y: target, x: 2 * x, count: 1)
          map.copy(from: (target, 2 * x), to: (target, 2 * x + 1), count: 1)
        }
      } else {
        map.quantize(kernels, values, y: target, x: pixels.lowerBound, count: pixels.count)
      }
    }
  }

  private func readTreated(
    _ row: Int, _ pixels: Range<Int>, into values: UnsafeMutablePointer<Float>
  ) {
    input.map.load(kernels, y: row, pixels, into: values)
    if case .normalized(let gains) = input.treatment {
      kernels.pointee.channel_affine(
        values, Int32(pixels.count), Int32(shape.channels), gains.scale, gains.shift, 1, values)
    }
  }
}

// The products.
extension StripRun {
  /// Outputs of a strip, and of the shortcut.
  func convolve(_ rows: Range<Int>) {
    let inputRows = rows.count * shape.stride
    switch rowsUnderKernel {
    case .codes(let map): convolve(map, rows: rows.count)
    case .floats:
      let map = padded(height: inputRows)!
      if shape.isWinograd {
        WinogradStrip(
          kernels: kernels, shape: shape, weights: weights, patches: floats(offsets.patches),
          input: map, output: output
        ).run(compute.pool)
      } else {
        convolveDirectly(map, rows: rows.count)
      }
    }
    if let shortcut { convolve1x1(rows, shortcut.layer) }
  }

  private func convolveDirectly(_ map: PaddedMap, rows: Int) {
    let offset = shape.stride == 1 ? -1 : 0
    let width = shape.outputWidth
    withUnsafePointer(to: layer.matrix) { matrix in
      compute.pool.parallel(rows) { rows in
        for y in rows {
          kernels.pointee.matmul_float(
            matrix, map.pixel(y * shape.stride + offset, offset), shape.stride * map.channels, 3,
            map.rowStride, Int32(width), layer.bias, output + y * width * layer.rows, layer.rows,
            0, Int32(layer.tileCount))
        }
      }
    }
  }

  private func convolve(_ map: QuantizedMap, rows: Int) {
    let width = shape.outputWidth
    let stride = shape.stride
    let offset = stride == 1 ? -1 : 0
    // Some 512 pixels share each unpacking of the weights.
    let threads = compute.pool.threadCount
    let blockRows = max(1, min(max(1, 512 / width), (rows + threads - 1) / threads))
    let kernelStride = (map.width + 2) * map.channels
    compute.pool.parallel((rows + blockRows - 1) / blockRows) { blocks in
      for block in blocks {
        let y = block * blockRows
        let first = map.index(y * stride + offset, offset)
        var codes = cvar_code_map(
          codes: map.codes + first, scales: map.scales + first / map.groupSize,
          sums: map.sums + first / map.groupSize, height: Int32(min(blockRows, rows - y)),
          width: Int32(width), row_stride: stride * kernelStride,
          pixel_stride: stride * map.channels, kernel_stride: kernelStride)
        withUnsafePointer(to: layer.matrix) { matrix in
          kernels.pointee.convolve_quantized(
            matrix, &codes, layer.bias, output + y * width * layer.rows, width * layer.rows, 0,
            Int32(layer.tileCount))
        }
      }
    }
  }

  private func convolve1x1(_ rows: Range<Int>, _ layer: Linear) {
    split(rows.count * shape.outputWidth) { share, pixels in
      let values = values(share)
      var next = pixels.lowerBound
      while next < pixels.upperBound {
        let (row, x) = next.quotientAndRemainder(dividingBy: shape.outputWidth)
        let count = min(
          StripShape.chunkPixels, shape.outputWidth - x, pixels.upperBound - next)
        input.map.load(kernels, y: rows.lowerBound + row, x..<x + count, into: values)
        multiply(values, count, layer, share, into: shortcutOutput + next * layer.rows)
        next += count
      }
    }
  }

  private func multiply(
    _ values: UnsafePointer<Float>, _ count: Int, _ layer: Linear, _ share: Int,
    into target: UnsafeMutablePointer<Float>
  ) {
    let channels = shape.channels
    withUnsafePointer(to: layer.matrix) { matrix in
      guard let groupSize = layer.groupSize else {
        kernels.pointee.matmul_float(
          matrix, values, channels, 1, 0, Int32(count), layer.bias, target, layer.rows, 0,
          Int32(layer.tileCount))
        return
      }
      let bytes = PixelCodes.byteCount(channels: channels, groupSize: groupSize)
      let codes = PixelCodes(
        memory + offsets.codes + share * bytes, channels: channels, groupSize: groupSize)
      kernels.pointee.quantize_activations(
        values, channels, Int32(count), Int32(channels), Int32(groupSize), codes.codes,
        codes.scales, codes.sums)
      kernels.pointee.matmul_quantized(
        matrix, codes.codes, codes.scales, codes.sums, Int32(count), layer.bias, target,
        layer.rows, 0, Int32(layer.tileCount))
    }
  }
}

// The outputs.
extension StripRun {
  /// Hands a strip's outputs on and reads the next strip's inputs, which does not need them.
  ///
  /// - Parameters:
  ///   - finished: the strip whose outputs are there; empty before the first.
  ///   - next: the strip to read for; nil after the last.
  func advance(from finished: Range<Int>, to next: Range<Int>?) {
    if case .rows(let body) = target, !finished.isEmpty {
      body(
        finished,
        Rows(output, count: finished.count, columns: shape.outputWidth * shape.outputs))
    }
    let columns = input.map.width
    let shares = shape.threadCount
    compute.pool.parallel(shares) { range in
      for share in range {
        let rows =
          finished.count * share / shares..<finished.count * (share + 1) / shares
        for row in rows { finish(row, of: finished, values(share)) }
        guard let next else { continue }
        readRows(next, columns * share / shares..<columns * (share + 1) / shares, share)
      }
    }
    guard case .map(_, _, let sums?) = target else { return }
    for row in 0..<finished.count {
      sums.add(rowSums + row * 2 * shape.outputs, channels: shape.outputs)
    }
  }

  private func finish(
    _ row: Int, of strip: Range<Int>, _ values: UnsafeMutablePointer<Float>
  ) {
    guard case .map(let map, let added, let sums) = target else { return }
    let width = shape.outputWidth
    store(
      output + row * width * shape.outputs, into: map, y: strip.lowerBound + row, adding: added,
      sums: sums.map { _ in rowSums + row * 2 * shape.outputs }, values)
    shortcut?.output.store(
      kernels, y: strip.lowerBound + row, 0..<width,
      from: shortcutOutput + row * width * shape.shortcut!.outputs)
  }

  private func store(
    _ row: UnsafeMutablePointer<Float>, into map: FeatureMap, y: Int, adding added: FeatureMap?,
    sums: UnsafeMutablePointer<Double>?, _ values: UnsafeMutablePointer<Float>
  ) {
    let channels = shape.outputs
    sums?.update(repeating: 0, count: 2 * channels)
    for pixels in RangeParts(0..<map.width, of: StripShape.chunkPixels) {
      let place = row + pixels.lowerBound * channels
      if let added {
        added.load(kernels, y: y, pixels, into: values)
        kernels.pointee.add(place, values, pixels.count * channels)
      }
      map.store(kernels, y: y, pixels, from: place)
      guard let sums else { continue }
      // The sums are those of what is stored.
      if map.type != .f32 { map.load(kernels, y: y, pixels, into: place) }
      kernels.pointee.channel_sums(
        place, Int32(pixels.count), Int32(channels), sums, sums + channels)
    }
  }
}
