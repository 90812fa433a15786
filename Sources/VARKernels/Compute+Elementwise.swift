import CVARKernels

/// Activation functions of the networks.
package enum ActivationFunction: Sendable {
  case silu, quickGELU, geluErf, geluTanh

  func kernel(
    _ kernels: UnsafePointer<cvar_kernels>
  ) -> @convention(c) (UnsafePointer<Float>?, UnsafeMutablePointer<Float>?, Int) -> Void {
    switch self {
    case .silu: kernels.pointee.silu
    case .quickGELU: kernels.pointee.quick_gelu
    case .geluErf: kernels.pointee.gelu_erf
    case .geluTanh: kernels.pointee.gelu_tanh
    }
  }
}

extension Compute {
  /// `gate = silu(gate) * up`.
  func siluMultiply(gate: Rows, up: Rows) {
    precondition(gate.hasShape(of: up), "a gate is as wide as what it gates")
    pool.parallel(
      gate.count, minimumPart: max(1, 8192 / gate.columns), with: (kernels, gate, up)
    ) { operands, range in
      let (kernels, gate, up) = operands
      for row in range {
        kernels.pointee.silu_multiply(gate[row], up[row], gate[row], gate.columns)
      }
    }
  }

  /// `x += vector`, row by row.
  package func add(_ vector: UnsafePointer<Float>, toEachOf x: Rows) {
    pool.parallel(
      x.count, minimumPart: max(1, 32_768 / x.columns), with: (kernels, x, vector)
    ) { operands, range in
      let (kernels, x, vector) = operands
      for row in range { kernels.pointee.add(x[row], vector, x.columns) }
    }
  }

  /// `x += y * gain`, row by row.
  package func add(_ y: Rows, times gain: UnsafePointer<Float>, to x: Rows) {
    precondition(y.hasShape(of: x), "rows of another shape")
    pool.parallel(
      x.count, minimumPart: max(1, 32_768 / x.columns), with: (kernels, x, y, gain)
    ) { operands, range in
      let (kernels, x, y, gain) = operands
      kernels.pointee.add_scaled(
        x[range].pointer, x.stride, y[range].pointer, y.stride, Int32(range.count),
        Int32(x.columns), gain)
    }
  }
}
