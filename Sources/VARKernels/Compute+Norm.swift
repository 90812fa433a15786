import CVARKernels

extension Compute {
  package func rmsNorm(
    _ input: Activations, weight: UnsafePointer<Float>, eps: Float,
    into output: UnsafeMutablePointer<Float>
  ) {
    pool.parallel(
      input.rows, minimumPart: max(1, 16_384 / input.cols),
      with: (kernels, input, weight, eps, output)
    ) { operands, rows in
      let (kernels, input, weight, eps, output) = operands
      kernels.pointee.rms_norm(
        input.pointer + rows.lowerBound * input.stride, input.stride, Int32(rows.count),
        Int32(input.cols), weight, eps, output + rows.lowerBound * input.cols, input.cols)
    }
  }

  /// LayerNorm; without `weight` and `bias` the plain normalisation.
  package func layerNorm(
    _ input: Activations, weight: UnsafePointer<Float>?, bias: UnsafePointer<Float>?, eps: Float,
    into output: UnsafeMutablePointer<Float>
  ) {
    pool.parallel(
      input.rows, minimumPart: max(1, 16_384 / input.cols),
      with: (kernels, input, weight, bias, eps, output)
    ) { operands, rows in
      let (kernels, input, weight, bias, eps, output) = operands
      kernels.pointee.layer_norm(
        input.pointer + rows.lowerBound * input.stride, input.stride, Int32(rows.count),
        Int32(input.cols), weight, bias, eps, output + rows.lowerBound * input.cols, input.cols)
    }
  }

  /// In place: every head of every row gets length `headScale[head]`, or 1.
  package func normalizeHeads(
    _ x: UnsafeMutablePointer<Float>, stride: Int, rows: Int, heads: Int, headDim: Int,
    headScale: UnsafePointer<Float>?
  ) {
    pool.parallel(
      rows, minimumPart: max(1, 16_384 / (heads * headDim)),
      with: (kernels, x, stride, heads, headDim, headScale)
    ) { operands, range in
      let (kernels, x, stride, heads, headDim, headScale) = operands
      kernels.pointee.normalize_heads(
        x + range.lowerBound * stride, stride, Int32(range.count), Int32(heads), Int32(headDim),
        headScale)
    }
  }
}
