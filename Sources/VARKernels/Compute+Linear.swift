import CVARKernels

/// A linear layer's weights: `y = W x + bias`.
package struct Linear {
  package let matrix: cvar_matrix
  package let bias: UnsafePointer<Float>?

  package init(matrix: cvar_matrix, bias: UnsafePointer<Float>? = nil) {
    self.matrix = matrix
    self.bias = bias
  }

  package var rows: Int { Int(matrix.rows) }
  package var cols: Int { Int(matrix.cols) }
  var tileCount: Int { (rows + Int(CVAR_TILE_ROWS) - 1) / Int(CVAR_TILE_ROWS) }
  var isQuantized: Bool {
    matrix.type == Int32(CVAR_INT8.rawValue) || matrix.type == Int32(CVAR_INT4.rawValue)
  }
}

/// Rows of activations.
package struct Activations {
  package let pointer: UnsafePointer<Float>
  package let rows: Int
  package let cols: Int
  /// Elements from one row to the next.
  package let stride: Int

  package init(_ pointer: UnsafePointer<Float>, rows: Int, cols: Int, stride: Int? = nil) {
    self.pointer = pointer
    self.rows = rows
    self.cols = cols
    self.stride = stride ?? cols
  }
}

extension Compute {
  /// Applies linear layers to the same activations: output `i` is `[rows, layers[i].rows]` with a stride of
  /// `layers[i].rows`, or of `stride` where given.
  ///
  /// Quantized matrices get int8 activations, made once per group size; others the f32 values.
  package func linear(
    _ input: Activations, _ layer: Linear, into output: UnsafeMutablePointer<Float>,
    stride: Int? = nil, sharesInput: Bool = false
  ) {
    precondition(input.cols == layer.cols, "activations of \(input.cols) meet \(layer.cols) inputs")
    let outputStride = stride ?? layer.rows
    if layer.isQuantized {
      quantize(input, groupSize: Int(layer.matrix.group_size), reuse: sharesInput)
      multiplyQuantized(layer, rows: input.rows, into: output, stride: outputStride)
    } else {
      // What the scratch holds belongs to an earlier input; a later layer of this one must not take it.
      if !sharesInput { quantized.groupSize = 0 }
      multiplyFloat(input, layer, into: output, stride: outputStride)
    }
  }

  private func quantize(_ input: Activations, groupSize: Int, reuse: Bool) {
    if reuse, quantized.groupSize == groupSize { return }
    precondition(input.rows * input.cols <= quantized.capacity, "activations pass the plan")
    let groups = input.cols / groupSize
    pool.parallel(input.rows, minimumPart: max(1, 16_384 / input.cols)) { rows in
      kernels.pointee.quantize_activations(
        input.pointer + rows.lowerBound * input.stride, input.stride, Int32(rows.count),
        Int32(input.cols), Int32(groupSize), quantized.codes + rows.lowerBound * input.cols,
        quantized.scales + rows.lowerBound * groups, quantized.sums + rows.lowerBound * groups)
    }
    quantized.groupSize = groupSize
  }

  // The grains are the tiles that kernels work on at once.

  private func multiplyQuantized(
    _ layer: Linear, rows: Int, into output: UnsafeMutablePointer<Float>, stride: Int
  ) {
    pool.parallel(
      layer.tileCount, minimumPart: minimumTiles(layer, rows: rows), grain: 2,
      QuantizedProduct(
        kernels: kernels, layer: layer, codes: quantized.codes, scales: quantized.scales,
        sums: quantized.sums, rows: Int32(rows), output: output, stride: stride))
  }

  private func multiplyFloat(
    _ input: Activations, _ layer: Linear, into output: UnsafeMutablePointer<Float>, stride: Int
  ) {
    pool.parallel(
      layer.tileCount, minimumPart: minimumTiles(layer, rows: input.rows), grain: 4,
      FloatProduct(kernels: kernels, layer: layer, input: input, output: output, stride: stride))
  }

  /// Tiles that take some 10 us: less is not worth waking a thread.
  private func minimumTiles(_ layer: Linear, rows: Int) -> Int {
    max(1, 262_144 / (Int(CVAR_TILE_ROWS) * layer.cols * rows))
  }

  /// One row of a matrix or table in f32.
  package func gather(
    _ matrix: cvar_matrix, row: Int, into output: UnsafeMutablePointer<Float>
  ) {
    withUnsafePointer(to: matrix) { kernels.pointee.gather_row($0, Int32(row), output) }
  }
}

/// Row tiles of a quantized layer's output.
private struct QuantizedProduct: ParallelOperation {
  let kernels: UnsafePointer<cvar_kernels>
  let layer: Linear
  let codes: UnsafePointer<Int8>
  let scales: UnsafePointer<Float>
  let sums: UnsafePointer<Int32>
  let rows: Int32
  let output: UnsafeMutablePointer<Float>
  let stride: Int

  func run(_ tiles: Range<Int>) {
    withUnsafePointer(to: layer.matrix) { matrix in
      kernels.pointee.matmul_quantized(
        matrix, codes, scales, sums, rows, layer.bias, output, stride, Int32(tiles.lowerBound),
        Int32(tiles.upperBound))
    }
  }
}

/// Row tiles of a float layer's output.
private struct FloatProduct: ParallelOperation {
  let kernels: UnsafePointer<cvar_kernels>
  let layer: Linear
  let input: Activations
  let output: UnsafeMutablePointer<Float>
  let stride: Int

  func run(_ tiles: Range<Int>) {
    withUnsafePointer(to: layer.matrix) { matrix in
      kernels.pointee.matmul_float(
        matrix, input.pointer, input.stride, 1, 0, Int32(input.rows), layer.bias, output, stride,
        Int32(tiles.lowerBound), Int32(tiles.upperBound))
    }
  }
}
