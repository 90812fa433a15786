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
  /// In place over `count` values.
  package func apply(_ function: ActivationFunction, _ x: UnsafeMutablePointer<Float>, count: Int) {
    let kernel = function.kernel(kernels)
    pool.parallel(count, minimumPart: 8192, with: (kernel, x)) { operands, range in
      let (kernel, x) = operands
      kernel(x + range.lowerBound, x + range.lowerBound, range.count)
    }
  }

  /// `gate = silu(gate) * up`.
  package func siluMultiply(
    gate: UnsafeMutablePointer<Float>, up: UnsafePointer<Float>, count: Int
  ) {
    pool.parallel(count, minimumPart: 8192, with: (kernels, gate, up)) { operands, range in
      let (kernels, gate, up) = operands
      kernels.pointee.silu_multiply(
        gate + range.lowerBound, up + range.lowerBound, gate + range.lowerBound, range.count)
    }
  }

  /// `x += y`.
  package func add(_ x: UnsafeMutablePointer<Float>, _ y: UnsafePointer<Float>, count: Int) {
    pool.parallel(count, minimumPart: 32_768, with: (kernels, x, y)) { operands, range in
      let (kernels, x, y) = operands
      kernels.pointee.add(x + range.lowerBound, y + range.lowerBound, range.count)
    }
  }

  /// `x[row] += y[row] * gain`, both `[rows, cols]` without gaps.
  package func addScaled(
    _ x: UnsafeMutablePointer<Float>, _ y: UnsafePointer<Float>, rows: Int, cols: Int,
    gain: UnsafePointer<Float>
  ) {
    pool.parallel(
      rows, minimumPart: max(1, 32_768 / cols), with: (kernels, x, y, cols, gain)
    ) { operands, range in
      let (kernels, x, y, cols, gain) = operands
      kernels.pointee.add_scaled(
        x + range.lowerBound * cols, cols, y + range.lowerBound * cols, cols, Int32(range.count),
        Int32(cols), gain)
    }
  }
}
