import CVARKernels

/// Buffers of 3x3 convolutions by Winograd's F(4x4, 3x3).
package struct WinogradScratch {
  /// Transformed weights of one layer: `[36, outputs, channels]` in tiles of 16 outputs.
  let weights: UnsafeMutablePointer<Float>
  let weightsCapacity: Int
  /// Transformed patches, a share for each thread.
  let patches: UnsafeMutablePointer<Float>
  let shareCapacity: Int
  let shareCount: Int

  package struct Layout: Sendable {
    let weights, patches: MemoryPlan.ID
    let weightsCapacity, shareCapacity, shareCount: Int
  }

  /// Patches that a thread transforms at once: a multiple of all register tiles, and enough that reading the weights,
  /// 38 MB of 512 channels, keeps pace with the products.
  static let blockPatches = 96

  /// Elements from the patches of one position to those of the next. The line between them keeps stores to all
  /// positions from meeting in one set of the cache.
  static func positionStride(channels: Int) -> Int { blockPatches * channels + 16 }

  /// - Parameter channels: the most inputs or outputs of any convolution; 512 take 38 MB of weights and 7.3 MB
  ///   for each thread.
  package static func reserve(
    _ plan: inout MemoryPlan, channels: Int, threadCount: Int
  ) -> Layout {
    let positions = Int(CVAR_WINOGRAD_POSITIONS)
    let tiles = Int(CVAR_TILE_ROWS)
    let weights = positions * channels * ((channels + tiles - 1) / tiles * tiles)
    // Products lie one position before what they are made from, which is read only once.
    let share = (positions + 1) * positionStride(channels: channels)
    return Layout(
      weights: plan.reserve("winograd.weights", floats: weights),
      patches: plan.reserve("winograd.patches", floats: share * threadCount),
      weightsCapacity: weights, shareCapacity: share, shareCount: threadCount)
  }

  package init(_ layout: Layout, arena: Arena) {
    weights = arena.floats(layout.weights)
    weightsCapacity = layout.weightsCapacity
    patches = arena.floats(layout.patches)
    shareCapacity = layout.shareCapacity
    shareCount = layout.shareCount
  }

  /// Whether a convolution of stride 1 goes this way: by its shape alone, so that all machines agree.
  ///
  /// Fewer channels or outputs than lanes leave most of them idle, and on smaller maps transforming the weights takes
  /// longer than it saves.
  static func suits(height: Int, width: Int, channels: Int, outputs: Int) -> Bool {
    channels >= 16 && outputs >= 16 && height * width >= 512
  }
}

extension Compute {
  /// A 3x3 convolution of stride 1 of a padded map into `[height, width, out]`.
  func convolveWinograd(
    _ input: PaddedMap, _ layer: Linear, scratch: WinogradScratch,
    into output: UnsafeMutablePointer<Float>
  ) {
    let positions = Int(CVAR_WINOGRAD_POSITIONS)
    let stored = layer.tileCount * Int(CVAR_TILE_ROWS)
    let stride = WinogradScratch.positionStride(channels: max(input.channels, layer.rows))
    precondition(
      positions * stored * input.channels <= scratch.weightsCapacity
        && (positions + 1) * stride <= scratch.shareCapacity, "a convolution passes the plan")
    pool.parallel(layer.tileCount) { tiles in
      withUnsafePointer(to: layer.matrix) { matrix in
        kernels.pointee.winograd_weights(
          matrix, scratch.weights, Int32(tiles.lowerBound), Int32(tiles.upperBound))
      }
    }
    let grid = PatchGrid(input)
    let shares = scratch.shareCount
    pool.parallel(shares) { range in
      for share in range {
        let last = grid.count * (share + 1) / shares
        var first = grid.count * share / shares
        while first < last {
          let end = min(first + WinogradScratch.blockPatches, last)
          let block = WinogradBlock(
            kernels: kernels, input: input, layer: layer, grid: grid, patches: first..<end,
            weights: scratch.weights, products: scratch.patches + share * scratch.shareCapacity,
            positionStride: stride, output: output)
          block.run()
          first = end
        }
      }
    }
  }
}

/// The patches of 4x4 outputs that cover a map, row by row.
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
  let kernels: UnsafePointer<cvar_kernels>
  let input: PaddedMap
  let layer: Linear
  let grid: PatchGrid
  let patches: Range<Int>
  let weights: UnsafePointer<Float>
  /// The products of all positions; the transformed inputs lie one position behind.
  let products: UnsafeMutablePointer<Float>
  let positionStride: Int
  let output: UnsafeMutablePointer<Float>

  func run() {
    transformInput()
    multiply()
    transformOutput()
  }

  private func transformInput() {
    let inputs = products + positionStride
    grid.forEachStretch(patches) { y, x, stretch in
      kernels.pointee.winograd_input(
        input.pixel(y - 1, x - 1), input.rowStride, Int32(input.channels),
        Int32(input.height + 2 - y), Int32(input.width + 2 - x), Int32(stretch.count),
        inputs + stretch.lowerBound * input.channels, positionStride)
    }
  }

  private func multiply() {
    var matrix = cvar_matrix()
    matrix.type = Int32(CVAR_F32.rawValue)
    matrix.rows = layer.matrix.rows
    matrix.cols = Int32(input.channels)
    let matrixSize = layer.tileCount * Int(CVAR_TILE_ROWS) * input.channels
    for position in 0..<Int(CVAR_WINOGRAD_POSITIONS) {
      matrix.codes = UnsafeRawPointer(weights + position * matrixSize)
      kernels.pointee.matmul_float(
        &matrix, products + (position + 1) * positionStride, input.channels, 1, 0,
        Int32(patches.count), nil, products + position * positionStride, layer.rows, 0,
        Int32(layer.tileCount))
    }
  }

  private func transformOutput() {
    grid.forEachStretch(patches) { y, x, stretch in
      kernels.pointee.winograd_output(
        products + stretch.lowerBound * layer.rows, positionStride, Int32(layer.rows),
        Int32(stretch.count), layer.bias, Int32(input.height - y), Int32(input.width - x),
        output + (y * input.width + x) * layer.rows, input.width * layer.rows)
    }
  }
}
