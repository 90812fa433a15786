import CVARKernels

/// A linear layer's weights: `y = W x + bias`.
package struct Linear {
  package let matrix: cvar_matrix
  package let bias: UnsafePointer<Float>?
  /// What an observer knows the layer by; it never sees a layer without a site.
  package let site: LinearSite?

  package init(matrix: cvar_matrix, bias: UnsafePointer<Float>? = nil, site: LinearSite? = nil) {
    self.matrix = matrix
    self.bias = bias
    self.site = site
  }

  package var rows: Int { Int(matrix.rows) }
  package var cols: Int { Int(matrix.cols) }
  var tileCount: Int { (rows + Int(CVAR_TILE_ROWS) - 1) / Int(CVAR_TILE_ROWS) }
  /// Whether another layer takes the same form of the same input.
  func sharesActivations(with other: Linear) -> Bool {
    isQuantized == other.isQuantized && matrix.group_size == other.matrix.group_size
  }
  var isQuantized: Bool {
    matrix.type == Int32(CVAR_INT8.rawValue) || matrix.type == Int32(CVAR_INT4.rawValue)
  }
}

/// What is done with each part of a layer's output as soon as it is there.
package enum Epilogue {
  case none
  /// In place.
  case activation(ActivationFunction)
  /// `x += output`, for rows of the output's shape.
  case add(to: Rows)
}

/// A layer and the place of its output, rows of `layer.rows` values.
package struct Projection {
  let layer: Linear
  let output: Rows

  package init(_ layer: Linear, into output: Rows) {
    self.layer = layer
    self.output = output
  }
}

// Quantized matrices get int8 activations, others the f32 values. What has the same input and the same activations runs
// as one job of the pool.
extension Compute {
  /// `output = W input + bias`, row by row, then the epilogue.
  package func linear(
    _ input: Rows, _ layer: Linear, into output: Rows, then epilogue: Epilogue = .none
  ) {
    if case .add(let x) = epilogue {
      precondition(x.hasShape(of: output), "a sum of rows of one shape")
    }
    prepare(input, for: layer)
    let product = product(input, Projection(layer, into: output))
    run(product.tiles, of: product, FinishedProduct(product: product, epilogue: epilogue))
  }

  /// Three layers of the same input.
  package func linear(
    _ input: Rows, _ first: Projection, _ second: Projection, _ third: Projection
  ) {
    guard first.layer.sharesActivations(with: second.layer),
      first.layer.sharesActivations(with: third.layer)
    else {
      linear(input, first.layer, into: first.output)
      linear(input, second.layer, into: second.output)
      linear(input, third.layer, into: third.output)
      return
    }
    prepare(input, for: first.layer)
    let products = ThreeProducts(
      first: product(input, first), second: product(input, second), third: product(input, third))
    run(products.tiles, of: products.first, products)
  }

  /// `gate.output = silu(gate(x)) * up(x)`; `up.output` is scratch.
  package func gatedLinear(_ input: Rows, gate: Projection, up: Projection) {
    precondition(gate.layer.rows == up.layer.rows, "a gate is as wide as what it gates")
    guard gate.layer.sharesActivations(with: up.layer) else {
      linear(input, gate.layer, into: gate.output)
      linear(input, up.layer, into: up.output)
      siluMultiply(gate: gate.output, up: up.output)
      return
    }
    prepare(input, for: gate.layer)
    let products = GatedProducts(gate: product(input, gate), up: product(input, up))
    run(products.gate.tiles, of: products.gate, products)
  }

  private func prepare(_ input: Rows, for layer: Linear) {
    precondition(input.columns == layer.cols, "rows of \(input.columns) meet \(layer.cols) inputs")
    guard layer.isQuantized else { return }
    precondition(input.count * input.columns <= quantized.capacity, "activations pass the plan")
    let groupSize = Int(layer.matrix.group_size)
    pool.parallel(
      input.count, minimumPart: max(1, 16_384 / input.columns),
      with: (kernels, input, groupSize, quantized.codes, quantized.scales, quantized.sums)
    ) { operands, range in
      let (kernels, input, groupSize, codes, scales, sums) = operands
      let groups = input.columns / groupSize
      kernels.pointee.quantize_activations(
        input[range].pointer, input.stride, Int32(range.count), Int32(input.columns),
        Int32(groupSize), codes + range.lowerBound * input.columns,
        scales + range.lowerBound * groups, sums + range.lowerBound * groups)
    }
  }

  private func product(_ input: Rows, _ projection: Projection) -> LinearProduct {
    let (layer, output) = (projection.layer, projection.output)
    precondition(
      output.count == input.count && output.columns == layer.rows, "an output of another shape")
    observe(layer, input)
    return LinearProduct(
      kernels: kernels, layer: layer, input: input, codes: quantized.codes,
      scales: quantized.scales, sums: quantized.sums, output: output)
  }

  private func run<Operation: ParallelOperation>(
    _ tiles: Int, of product: LinearProduct, _ operation: Operation
  ) {
    // Tiles that take some 10 us: less is not worth waking a thread.
    let minimum = 262_144 / (Int(CVAR_TILE_ROWS) * product.layer.cols * product.input.count)
    pool.parallel(
      tiles, minimumPart: max(1, minimum), grain: product.layer.isQuantized ? 2 : 4, operation)
  }

  /// `output` = one row of a matrix in f32.
  package func gather(_ matrix: cvar_matrix, row: Int, into output: Rows) {
    precondition(output.count == 1 && output.columns == matrix.cols, "a row of another shape")
    withUnsafePointer(to: matrix) { kernels.pointee.gather_row($0, Int32(row), output.pointer) }
  }
}
