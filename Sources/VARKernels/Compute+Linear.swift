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
  /// Whether another layer takes the same form of the same input.
  func sharesActivations(with other: Linear) -> Bool {
    isQuantized == other.isQuantized && matrix.group_size == other.matrix.group_size
  }
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

/// What is done with each part of a layer's output as soon as it is there; `x` is `[rows, layer.rows]`.
package enum Epilogue {
  case none
  /// In place.
  case activation(ActivationFunction)
  /// `x += output`.
  case add(to: UnsafeMutablePointer<Float>)
}

/// A layer and the place of its output `[input.rows, layer.rows]`.
package struct Projection {
  let layer: Linear
  let output: UnsafeMutablePointer<Float>

  package init(_ layer: Linear, into output: UnsafeMutablePointer<Float>) {
    self.layer = layer
    self.output = output
  }
}

// Quantized matrices get int8 activations, others the f32 values. What has the same input and the same activations runs
// as one job of the pool.
extension Compute {
  /// `output[input.rows, layer.rows] = W x + bias`, then the epilogue.
  package func linear(
    _ input: Activations, _ layer: Linear, into output: UnsafeMutablePointer<Float>,
    then epilogue: Epilogue = .none
  ) {
    prepare(input, for: layer)
    let product = product(input, Projection(layer, into: output))
    run(product.tiles, of: product, FinishedProduct(product: product, epilogue: epilogue))
  }

  /// Three layers of the same input.
  package func linear(
    _ input: Activations, _ first: Projection, _ second: Projection, _ third: Projection
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
  package func gatedLinear(_ input: Activations, gate: Projection, up: Projection) {
    precondition(gate.layer.rows == up.layer.rows, "a gate is as wide as what it gates")
    guard gate.layer.sharesActivations(with: up.layer) else {
      linear(input, gate.layer, into: gate.output)
      linear(input, up.layer, into: up.output)
      siluMultiply(gate: gate.output, up: up.output, count: input.rows * gate.layer.rows)
      return
    }
    prepare(input, for: gate.layer)
    let products = GatedProducts(gate: product(input, gate), up: product(input, up))
    run(products.gate.tiles, of: products.gate, products)
  }

  private func prepare(_ input: Activations, for layer: Linear) {
    precondition(input.cols == layer.cols, "activations of \(input.cols) meet \(layer.cols) inputs")
    guard layer.isQuantized else { return }
    precondition(input.rows * input.cols <= quantized.capacity, "activations pass the plan")
    let groupSize = Int(layer.matrix.group_size)
    pool.parallel(
      input.rows, minimumPart: max(1, 16_384 / input.cols),
      with: (kernels, input, groupSize, quantized.codes, quantized.scales, quantized.sums)
    ) { operands, rows in
      let (kernels, input, groupSize, codes, scales, sums) = operands
      let groups = input.cols / groupSize
      kernels.pointee.quantize_activations(
        input.pointer + rows.lowerBound * input.stride, input.stride, Int32(rows.count),
        Int32(input.cols), Int32(groupSize), codes + rows.lowerBound * input.cols,
        scales + rows.lowerBound * groups, sums + rows.lowerBound * groups)
    }
  }

  private func product(_ input: Activations, _ projection: Projection) -> LinearProduct {
    LinearProduct(
      kernels: kernels, layer: projection.layer, input: input, codes: quantized.codes,
      scales: quantized.scales, sums: quantized.sums, output: projection.output)
  }

  private func run<Operation: ParallelOperation>(
    _ tiles: Int, of product: LinearProduct, _ operation: Operation
  ) {
    // Tiles that take some 10 us: less is not worth waking a thread.
    let minimum = 262_144 / (Int(CVAR_TILE_ROWS) * product.layer.cols * product.input.rows)
    pool.parallel(
      tiles, minimumPart: max(1, minimum), grain: product.layer.isQuantized ? 2 : 4, operation)
  }

  /// One row of a matrix or table in f32.
  package func gather(
    _ matrix: cvar_matrix, row: Int, into output: UnsafeMutablePointer<Float>
  ) {
    withUnsafePointer(to: matrix) { kernels.pointee.gather_row($0, Int32(row), output) }
  }
}
