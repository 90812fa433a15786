import CVARKernels
import VARSystem

/// Transformed weights of one layer for Winograd's F(4x4, 3x3): `[36, outputs, channels]` in tiles of 16 outputs.
struct WinogradWeights {
  let pointer: UnsafeMutablePointer<Float>
  let layer: Linear

  static func floatCount(channels: Int, outputs: Int) -> Int {
    let tileRows = Int(CVAR_TILE_ROWS)
    let stored = (outputs + tileRows - 1) / tileRows * tileRows
    return Int(CVAR_WINOGRAD_POSITIONS) * channels * stored
  }

  func transform(_ compute: Compute) {
    compute.pool.parallel(layer.tileCount) { tiles in
      withUnsafePointer(to: layer.matrix) { matrix in
        compute.kernels.pointee.winograd_weights(
          matrix, pointer, Int32(tiles.lowerBound), Int32(tiles.upperBound))
      }
    }
  }
}

/// The convolution of one strip by Winograd's algorithm: `input` to `output`, `[input.height, width, outputs]`.
struct WinogradStrip {
  let kernels: UnsafePointer<cvar_kernels>
  let shape: StripShape
  let weights: WinogradWeights
  /// For each thread `shape.patchShare` elements.
  let patches: UnsafeMutablePointer<Float>
  let input: PaddedMap
  let output: UnsafeMutablePointer<Float>

  func run(_ pool: ThreadPool) {
    let grid = PatchGrid(input)
    let shares = shape.threadCount
    pool.parallel(shares) { range in
      for share in range {
        let own = grid.count * share / shares..<grid.count * (share + 1) / shares
        for block in RangeParts(own, of: shape.patchesPerBlock) {
          WinogradBlock(
            strip: self, grid: grid, patches: block, products: patches + share * shape.patchShare
          ).run()
        }
      }
    }
  }
}

/// The patches of 4x4 outputs that cover a strip, row by row.
private struct PatchGrid {
  let columns: Int
  let count: Int

  init(_ map: PaddedMap) {
    let side = Int(CVAR_WINOGRAD_PATCH)
    columns = (map.width + side - 1) / side
    count = columns * ((map.height + side - 1) / side)
  }

  /// Calls `body` with each stretch of `patches` inside one row: its first pixel and its place in `patches`.
  func forEachStretch(
    _ patches: Range<Int>, _ body: (_ y: Int, _ x: Int, _ stretch: Range<Int>) -> Void
  ) {
    let side = Int(CVAR_WINOGRAD_PATCH)
    var patch = patches.lowerBound
    while patch < patches.upperBound {
      let (row, column) = patch.quotientAndRemainder(dividingBy: columns)
      let end = min(patch + columns - column, patches.upperBound)
      body(
        row * side, column * side, patch - patches.lowerBound..<end - patches.lowerBound)
      patch = end
    }
  }
}

/// One block of patches from input to output.
private struct WinogradBlock {
  let strip: WinogradStrip
  let grid: PatchGrid
  let patches: Range<Int>
  /// The products of all positions; the transformed inputs lie one position behind.
  let products: UnsafeMutablePointer<Float>

  func run() {
    transformInput()
    multiply()
    transformOutput()
  }

  private func transformInput() {
    let input = strip.input
    let inputs = products + strip.shape.positionStride
    grid.forEachStretch(patches) { y, x, stretch in
      strip.kernels.pointee.winograd_input(
        input.pixel(y - 1, x - 1), input.rowStride, Int32(input.channels),
        Int32(input.height + 2 - y), Int32(input.width + 2 - x), Int32(stretch.count),
        inputs + stretch.lowerBound * input.channels, strip.shape.positionStride)
    }
  }

  private func multiply() {
    let layer = strip.weights.layer
    let channels = strip.input.channels
    let positionStride = strip.shape.positionStride
    var matrix = cvar_matrix()
    matrix.type = Int32(CVAR_F32.rawValue)
    matrix.rows = layer.matrix.rows
    matrix.cols = Int32(channels)
    let matrixSize = layer.tileCount * Int(CVAR_TILE_ROWS) * channels
    for position in 0..<Int(CVAR_WINOGRAD_POSITIONS) {
      matrix.codes = UnsafeRawPointer(strip.weights.pointer + position * matrixSize)
      strip.kernels.pointee.matmul_float(
        &matrix, products + (position + 1) * positionStride, channels, 1, 0,
        Int32(patches.count), nil, products + position * positionStride, layer.rows, 0,
        Int32(layer.tileCount))
    }
  }

  private func transformOutput() {
    let layer = strip.weights.layer
    let (height, width) = (strip.input.height, strip.input.width)
    grid.forEachStretch(patches) { y, x, stretch in
      strip.kernels.pointee.winograd_output(
        products + stretch.lowerBound * layer.rows, strip.shape.positionStride, Int32(layer.rows),
        Int32(stretch.count), layer.bias, Int32(height - y), Int32(width - x),
        strip.output + (y * width + x) * layer.rows, width * layer.rows)
    }
  }
}
