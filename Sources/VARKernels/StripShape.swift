import CVARKernels

/// How the work of a 3x3 convolution is divided; no result depends on it.
package struct StripDivision: Sendable {
  /// Threads of the pool that runs it.
  package let threadCount: Int
  /// Rows of outputs in a strip; nil takes what keeps all threads busy.
  package let rows: Int?

  package init(threadCount: Int, rows: Int? = nil) {
    self.threadCount = threadCount
    self.rows = rows
  }
}

/// Sizes of a 3x3 convolution that goes over a map in strips of rows, and of the memory that this takes.
///
/// Strips change no bit of a result: the whole map's size picks the algorithm, and Winograd's patches begin at
/// multiples of 4 rows whatever the strip.
package struct StripShape: Sendable {
  /// Where the input is doubled, after doubling.
  let input: MapShape
  let layer: Layer
  /// A 1x1 convolution of the same input.
  let shortcut: Layer?
  let threadCount: Int
  /// Rows of outputs in a strip.
  let rows: Int
  /// Patches that a thread takes at a time by Winograd's algorithm.
  let patchesPerBlock: Int

  /// What a convolution makes of its input.
  package struct Layer: Sendable {
    let outputs: Int
    let groupSize: Int?
    let stride: Int

    /// - Parameters:
    ///   - groupSize: of a quantized layer's inputs.
    ///   - stride: 1 pads one pixel on each side, 2 pads right and below only (MODEL 11).
    package init(outputs: Int, groupSize: Int?, stride: Int = 1) {
      self.outputs = outputs
      self.groupSize = groupSize
      self.stride = stride
    }
  }

  /// Pixels that a thread converts, normalizes or multiplies at a time: they stay in its cache.
  static let chunkPixels = 96
  /// Most patches in a block: a multiple of all register tiles.
  private static let mostPatches = 96

  /// - Parameters:
  ///   - input: where it is doubled, after doubling.
  ///   - shortcut: a 1x1 convolution of the same input.
  ///   - division: its rows are rounded up to whole patches.
  package init(
    _ input: MapShape, layer: Layer, shortcut: Layer? = nil, division: StripDivision
  ) {
    (self.input, self.layer, self.shortcut) = (input, layer, shortcut)
    threadCount = division.threadCount
    let isWinograd = Self.suitsWinograd(input, layer)
    let side = Int(CVAR_WINOGRAD_PATCH)
    let (outputHeight, outputWidth) = (input.height / layer.stride, input.width / layer.stride)
    let rowByteCount =
      4 * outputWidth * (layer.outputs + (shortcut?.outputs ?? 0))
      + layer.stride * input.width * input.channels * (layer.groupSize == nil ? 4 : 1)
    let wanted =
      division.rows
      ?? Self.defaultRows(height: outputHeight, rowByteCount, threadCount: threadCount)
    let patchRows = (min(wanted, outputHeight) + side - 1) / side
    self.rows = isWinograd ? patchRows * side : min(wanted, outputHeight)
    let share = (patchRows * ((outputWidth + side - 1) / side) + threadCount - 1) / threadCount
    let blocks = (share + Self.mostPatches - 1) / Self.mostPatches
    patchesPerBlock = (share + blocks - 1) / blocks
  }

  /// Rows that fit a bound of bytes which grows with the threads, in equal strips of whole patches; 8 at least, since
  /// each strip carries two rows of inputs over from the one before.
  private static func defaultRows(height: Int, _ rowByteCount: Int, threadCount: Int) -> Int {
    let side = Int(CVAR_WINOGRAD_PATCH)
    let byteCount = 5 << 20 + threadCount * (5 << 19)
    let most = max(2 * side, byteCount / rowByteCount / side * side)
    let strips = (height + most - 1) / most
    return ((height + strips - 1) / strips + side - 1) / side * side
  }

  /// Whether a float convolution goes by way of Winograd's algorithm: by its shape alone, so that all machines agree.
  ///
  /// Fewer channels or outputs than lanes leave most of them idle, and on smaller maps transforming the weights takes
  /// longer than it saves.
  private static func suitsWinograd(_ input: MapShape, _ layer: Layer) -> Bool {
    layer.groupSize == nil && layer.stride == 1 && input.channels >= 16 && layer.outputs >= 16
      && input.height * input.width >= 512
  }

  package var isWinograd: Bool { Self.suitsWinograd(input, layer) }

  var height: Int { input.height }
  var width: Int { input.width }
  var channels: Int { input.channels }
  var outputs: Int { layer.outputs }
  var stride: Int { layer.stride }
  var groupSize: Int? { layer.groupSize }

  package var outputHeight: Int { height / stride }
  package var outputWidth: Int { width / stride }

  /// Rows of the input under a strip, without the row above and the row below.
  var inputRows: Int { rows * stride }

  /// Elements from the patches of one position to those of the next. The line between them keeps stores to all
  /// positions from meeting in one set of the cache.
  var positionStride: Int { patchesPerBlock * max(channels, outputs) + 16 }

  /// Elements of one thread's transformed patches. Products lie one position before what they are made from, which is
  /// read only once.
  var patchShare: Int { (Int(CVAR_WINOGRAD_POSITIONS) + 1) * positionStride }

  /// Elements of one thread's pixels.
  var valueShare: Int { Self.chunkPixels * max(channels, outputs) }

  /// Where the buffers lie, in bytes, each on a cache line of its own.
  struct Offsets {
    var input = 0
    var output = 0
    var shortcut = 0
    var weights = 0
    var patches = 0
    var values = 0
    var codes = 0
    var rowSums = 0
    var end = 0
  }

  var offsets: Offsets {
    var result = Offsets()
    func add(_ byteCount: Int) -> Int {
      defer { result.end += (byteCount + 63) / 64 * 64 }
      return result.end
    }
    let float = MemoryLayout<Float>.stride
    result.input = add(
      groupSize.map {
        QuantizedMap.byteCount(height: inputRows, width: width, channels: channels, groupSize: $0)
      } ?? float
        * PaddedMap.floatCount(height: inputRows, width: width, channels: channels))
    let pixels = rows * outputWidth
    result.output = add(float * pixels * outputs)
    result.shortcut = add(float * pixels * (shortcut?.outputs ?? 0))
    if isWinograd {
      result.weights = add(float * WinogradWeights.floatCount(channels: channels, outputs: outputs))
      result.patches = add(float * patchShare * threadCount)
    }
    result.values = add(float * valueShare * threadCount)
    if let groupSize = shortcut?.groupSize {
      result.codes = add(
        threadCount * PixelCodes.byteCount(channels: channels, groupSize: groupSize))
    }
    result.rowSums = add(MemoryLayout<Double>.stride * rows * 2 * outputs)
    return result
  }

  /// Bytes of all buffers: the rows of input and output, transformed weights, and what each thread works on.
  package var byteCount: Int { offsets.end }
}
