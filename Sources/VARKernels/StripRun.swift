import CVARKernels

/// One convolution under way, strip by strip.
///
/// The rows of a map are cut into strips. The 3x3 kernel of an output also reads the pixels around it, so under a strip
/// of outputs lie its own rows of the input and a halo of one pixel on each side. For strips of 3 rows at stride 1:
///
///     input row  -1   0 0 0 0 0 0 0     zeros around the map
///                 0   0 a a a a a 0  +
///                 1   0 a a a a a 0  |  the first strip: it needs rows -1...3
///                 2   0 a a a a a 0  +
///                 3   0 b b b b b 0  +
///                 4   0 b b b b b 0  |  the second strip: it needs rows 2...6
///                 5   0 b b b b b 0  +
///                 6   0 c c c c c 0
///
/// Rows 2 and 3 are needed by both. They were read for the first strip, and the second copies them from the end of the
/// first one's rows: a row of the input is read once, and its place may already hold outputs by then. At stride 2 there
/// is no halo above and on the left.
struct StripRun<Input: StripInput> {
  private let compute: Compute
  private let buffers: StripBuffers
  private let convolution: Convolution
  private let rowsUnderStrip: Input

  init(
    _ compute: Compute, _ buffers: StripBuffers, _ convolution: Convolution, _ rows: Input
  ) {
    self.compute = compute
    self.buffers = buffers
    self.convolution = convolution
    rowsUnderStrip = rows
  }

  private var input: ConvolutionInput { convolution.input }
  private var layer: Linear { convolution.layer }
  private var shortcut: ConvolutionShortcut? { convolution.shortcut }
  private var shape: StripShape { buffers.shape }
  private var kernels: UnsafePointer<cvar_kernels> { compute.kernels }

  /// - Parameter beforeStrip: called before each strip; what it throws ends the convolution.
  func run<Failure: Error>(_ beforeStrip: () throws(Failure) -> Void) throws(Failure) {
    prepare()
    var finished = 0..<0
    for rows in RangeParts(0..<shape.outputHeight, of: shape.rows) {
      try beforeStrip()
      advance(from: finished, to: rows)
      rowsUnderStrip.convolve(layer, rows: rows.count)
      if let shortcut { convolve1x1(rows, shortcut.layer) }
      finished = rows
    }
    advance(from: finished, to: nil)
  }

  /// What all strips share: zeros around the map, transformed weights.
  private func prepare() {
    if shape.stride == 1 { rowsUnderStrip.clear(-1, 0, count: shape.width) }
    for row in -1...shape.inputRows {
      rowsUnderStrip.clear(row, -1, count: 1)
      rowsUnderStrip.clear(row, shape.width, count: 1)
    }
    rowsUnderStrip.prepare(layer)
    if case .map(_, _, let sums?) = convolution.output { sums.clear(channels: shape.outputs) }
  }

  /// Hands a strip's outputs on and reads the next strip's inputs, which does not need them.
  ///
  /// Threads store whole rows of outputs, for the sums of a row have one order, and read columns of inputs, for a row
  /// below may be a copy of the row above.
  ///
  /// - Parameters:
  ///   - finished: the strip whose outputs are there; empty before the first.
  ///   - next: the strip to read for; nil after the last.
  private func advance(from finished: Range<Int>, to next: Range<Int>?) {
    if case .rows(let body) = convolution.output, !finished.isEmpty {
      body(
        finished,
        Rows(
          buffers.output, count: finished.count, columns: shape.outputWidth * shape.outputs))
    }
    let columns = input.map.width
    let shares = shape.threadCount
    compute.pool.parallel(shares) { range in
      for share in range {
        let rows =
          finished.count * share / shares..<finished.count * (share + 1) / shares
        for row in rows { finish(row, of: finished, buffers.values(share)) }
        guard let next else { continue }
        readRows(next, columns * share / shares..<columns * (share + 1) / shares, share)
      }
    }
    guard case .map(_, _, let sums?) = convolution.output else { return }
    for row in 0..<finished.count { sums.add(buffers.rowSums(row), channels: shape.outputs) }
  }
}

// The inputs.
extension StripRun {
  /// Keeps what a strip shares with the one before it, and reads further rows of the input; those below it are zeros.
  ///
  /// - Parameter columns: of the input before pixels are repeated.
  private func readRows(_ strip: Range<Int>, _ columns: Range<Int>, _ share: Int) {
    let first = strip.lowerBound * shape.stride
    // The kernel reaches one row further than the strip, and one further than the one before.
    let end = strip.upperBound * shape.stride + 1
    let known = first > 0 ? first + 1 : 0
    let pixels = columns.lowerBound * input.repeats..<columns.upperBound * input.repeats
    func copy(from source: Int, to target: Int) {
      rowsUnderStrip.copy(
        from: (source, pixels.lowerBound), to: (target, pixels.lowerBound), count: pixels.count)
    }
    if first > 0 {
      for row in first - (shape.stride == 1 ? 1 : 0)..<known {
        copy(from: row - first + shape.inputRows, to: row - first)
      }
    }
    for row in known..<end {
      if row >= shape.height {
        rowsUnderStrip.clear(row - first, pixels.lowerBound, count: pixels.count)
      } else if input.repeats == 2, row % 2 == 1 {
        copy(from: row - first - 1, to: row - first)
      } else {
        for chunk in RangeParts(columns, of: StripShape.chunkPixels) {
          read(row / input.repeats, chunk, into: row - first, buffers.values(share))
        }
      }
    }
  }

  /// Reads pixels of a row of the map into a row under the strip.
  private func read(
    _ y: Int, _ pixels: Range<Int>, into row: Int, _ values: UnsafeMutablePointer<Float>
  ) {
    switch input.treatment {
    case .none:
      rowsUnderStrip.write(row, pixels.lowerBound, count: pixels.count, values) {
        input.map.load(kernels, y: y, pixels, into: $0)
      }
    case .normalized(let gains):
      rowsUnderStrip.write(row, pixels.lowerBound, count: pixels.count, values) {
        input.map.load(kernels, y: y, pixels, into: $0)
        kernels.pointee.channel_affine(
          $0, Int32(pixels.count), Int32(shape.channels), gains.gain, gains.shift, 1, $0)
      }
    case .doubled:
      for x in pixels {
        rowsUnderStrip.write(row, 2 * x, count: 1, values) {
          input.map.load(kernels, y: y, x..<x + 1, into: $0)
        }
        rowsUnderStrip.copy(from: (row, 2 * x), to: (row, 2 * x + 1), count: 1)
      }
    }
  }
}

// The shortcut.
extension StripRun {
  private func convolve1x1(_ rows: Range<Int>, _ layer: Linear) {
    let shares = shape.threadCount
    let (count, width) = (rows.count * shape.outputWidth, shape.outputWidth)
    compute.pool.parallel(shares) { range in
      for share in range {
        let values = buffers.values(share)
        let end = count * (share + 1) / shares
        var next = count * share / shares
        while next < end {
          let (row, x) = next.quotientAndRemainder(dividingBy: width)
          let count = min(StripShape.chunkPixels, width - x, end - next)
          input.map.load(kernels, y: rows.lowerBound + row, x..<x + count, into: values)
          multiply(values, count, layer, share, into: buffers.shortcut + next * layer.rows)
          next += count
        }
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
      let codes = buffers.codes(share, groupSize: groupSize)
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
  private func finish(
    _ row: Int, of strip: Range<Int>, _ values: UnsafeMutablePointer<Float>
  ) {
    guard case .map(let map, let added, let mapSums) = convolution.output else { return }
    let (y, width, channels) = (strip.lowerBound + row, shape.outputWidth, shape.outputs)
    let outputs = buffers.output + row * width * channels
    let sums = mapSums.map { _ in buffers.rowSums(row) }
    sums?.update(repeating: 0, count: 2 * channels)
    for pixels in RangeParts(0..<map.width, of: StripShape.chunkPixels) {
      let place = outputs + pixels.lowerBound * channels
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
    guard let shortcut else { return }
    shortcut.output.store(
      kernels, y: y, 0..<width, from: buffers.shortcut + row * width * shortcut.layer.rows)
  }
}
