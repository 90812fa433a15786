import CVARKernels

extension Compute {
  /// `output = weight * input / sqrt(mean(input^2) + eps)`, row by row.
  package func rmsNorm(
    _ input: Rows, weight: UnsafePointer<Float>, eps: Float, into output: Rows
  ) {
    precondition(output.hasShape(of: input), "a norm keeps the shape")
    pool.parallel(
      input.count, minimumPart: max(1, 16_384 / input.columns),
      with: (kernels, input, weight, eps, output)
    ) { operands, range in
      let (kernels, input, weight, eps, output) = operands
      kernels.pointee.rms_norm(
        input[range].pointer, input.stride, Int32(range.count), Int32(input.columns), weight, eps,
        output[range].pointer, output.stride)
    }
  }

  /// LayerNorm; without `weight` and `bias` the plain normalisation.
  package func layerNorm(
    _ input: Rows, weight: UnsafePointer<Float>?, bias: UnsafePointer<Float>?, eps: Float,
    into output: Rows
  ) {
    precondition(output.hasShape(of: input), "a norm keeps the shape")
    pool.parallel(
      input.count, minimumPart: max(1, 16_384 / input.columns),
      with: (kernels, input, weight, bias, eps, output)
    ) { operands, range in
      let (kernels, input, weight, bias, eps, output) = operands
      kernels.pointee.layer_norm(
        input[range].pointer, input.stride, Int32(range.count), Int32(input.columns), weight, bias,
        eps, output[range].pointer, output.stride)
    }
  }

  /// In place: every head of every row gets the length `lengths[head]`, or 1.
  package func normalizeHeads(_ x: Rows, headDim: Int, lengths: UnsafePointer<Float>?) {
    precondition(x.columns % headDim == 0, "heads of \(headDim) in \(x.columns) columns")
    pool.parallel(
      x.count, minimumPart: max(1, 16_384 / x.columns), with: (kernels, x, headDim, lengths)
    ) { operands, range in
      let (kernels, x, headDim, lengths) = operands
      kernels.pointee.normalize_heads(
        x[range].pointer, x.stride, Int32(range.count), Int32(x.columns / headDim), Int32(headDim),
        lengths)
    }
  }
}
