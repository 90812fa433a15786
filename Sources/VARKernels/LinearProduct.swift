import CVARKernels

/// Row tiles of a layer's output: where a matrix product reaches its kernel.
///
/// The type of the weight in the model's file decides between `matmul_quantized` (int8, int4), which takes the input in
/// int8, and `matmul_float`. Which functions these are was decided once, by the instruction set (`isa.c`).
struct LinearProduct {
  let kernels: UnsafePointer<cvar_kernels>
  let layer: Linear
  let input: Rows
  let codes: UnsafePointer<Int8>
  let scales: UnsafePointer<Float>
  let sums: UnsafePointer<Int32>
  let output: Rows

  var tiles: Int { layer.tileCount }

  func multiply(_ tiles: Range<Int>) {
    withUnsafePointer(to: layer.matrix) { matrix in
      if layer.isQuantized {
        kernels.pointee.matmul_quantized(
          matrix, codes, scales, sums, Int32(input.count), layer.bias, output.pointer,
          output.stride, Int32(tiles.lowerBound), Int32(tiles.upperBound))
      } else {
        kernels.pointee.matmul_float(
          matrix, input.pointer, input.stride, 1, 0, Int32(input.count), layer.bias, output.pointer,
          output.stride, Int32(tiles.lowerBound), Int32(tiles.upperBound))
      }
    }
  }

  /// Columns of the output that some tiles make.
  func columns(_ tiles: Range<Int>) -> Range<Int> {
    let tileRows = Int(CVAR_TILE_ROWS)
    return tiles.lowerBound * tileRows..<min(tiles.upperBound * tileRows, layer.rows)
  }
}

/// Tiles that are finished at once, while their outputs are in the cache.
private let finishedTiles = 16

/// A product and its epilogue.
struct FinishedProduct: ParallelOperation {
  let product: LinearProduct
  let epilogue: Epilogue

  func run(_ tiles: Range<Int>) {
    if case .none = epilogue { return product.multiply(tiles) }
    for part in RangeParts(tiles, of: finishedTiles) {
      product.multiply(part)
      finish(product.columns(part))
    }
  }

  private func finish(_ columns: Range<Int>) {
    let output = product.output[columns: columns]
    switch epilogue {
    case .none: break
    case .activation(let function):
      let kernel = function.kernel(product.kernels)
      for row in 0..<output.count { kernel(output[row], output[row], columns.count) }
    case .add(let x):
      let sum = x[columns: columns]
      for row in 0..<output.count {
        product.kernels.pointee.add(sum[row], output[row], columns.count)
      }
    }
  }
}

/// The tiles of three products, one after the other.
struct ThreeProducts: ParallelOperation {
  let first, second, third: LinearProduct

  var tiles: Int { first.tiles + second.tiles + third.tiles }

  func run(_ tiles: Range<Int>) {
    multiply(first, tiles, startingAt: 0)
    multiply(second, tiles, startingAt: first.tiles)
    multiply(third, tiles, startingAt: first.tiles + second.tiles)
  }

  private func multiply(_ product: LinearProduct, _ tiles: Range<Int>, startingAt start: Int) {
    let own = tiles.clamped(to: start..<start + product.tiles)
    if !own.isEmpty { product.multiply(own.lowerBound - start..<own.upperBound - start) }
  }
}

/// `gate = silu(gate) * up`.
struct GatedProducts: ParallelOperation {
  let gate, up: LinearProduct

  func run(_ tiles: Range<Int>) {
    for part in RangeParts(tiles, of: finishedTiles) {
      gate.multiply(part)
      up.multiply(part)
      let columns = gate.columns(part)
      let (output, factor) = (gate.output[columns: columns], up.output[columns: columns])
      for row in 0..<output.count {
        gate.kernels.pointee.silu_multiply(
          output[row], factor[row], output[row], columns.count)
      }
    }
  }
}
