import CVARKernels

/// Activation functions of the networks.
package enum ActivationFunction: Sendable {
  case silu, quickGELU, geluErf, geluTanh
}

extension Compute {
  /// In place over `count` values.
  package func apply(_ function: ActivationFunction, _ x: UnsafeMutablePointer<Float>, count: Int) {
    let kernel =
      switch function {
      case .silu: kernels.pointee.silu!
      case .quickGELU: kernels.pointee.quick_gelu!
      case .geluErf: kernels.pointee.gelu_erf!
      case .geluTanh: kernels.pointee.gelu_tanh!
      }
    pool.parallel(count, minimumPart: 8192) { range in
      kernel(x + range.lowerBound, x + range.lowerBound, range.count)
    }
  }

  /// `gate = silu(gate) * up`.
  package func siluMultiply(
    gate: UnsafeMutablePointer<Float>, up: UnsafePointer<Float>, count: Int
  ) {
    pool.parallel(
      count, minimumPart: 8192, GatedProduct(kernels: kernels, gate: gate, up: up))
  }

  /// `x += y`.
  package func add(_ x: UnsafeMutablePointer<Float>, _ y: UnsafePointer<Float>, count: Int) {
    pool.parallel(count, minimumPart: 32_768) { range in
      kernels.pointee.add(x + range.lowerBound, y + range.lowerBound, range.count)
    }
  }

  /// `x[row] += y[row] * gain`, both `[rows, cols]` without gaps.
  package func addScaled(
    _ x: UnsafeMutablePointer<Float>, _ y: UnsafePointer<Float>, rows: Int, cols: Int,
    gain: UnsafePointer<Float>
  ) {
    pool.parallel(rows, minimumPart: max(1, 32_768 / cols)) { range in
      kernels.pointee.add_scaled(
        x + range.lowerBound * cols, cols, y + range.lowerBound * cols, cols, Int32(range.count),
        Int32(cols), gain)
    }
  }
}

/// Part of a row of gated values.
private struct GatedProduct: ParallelOperation {
  let kernels: UnsafePointer<cvar_kernels>
  let gate: UnsafeMutablePointer<Float>
  let up: UnsafePointer<Float>

  func run(_ range: Range<Int>) {
    kernels.pointee.silu_multiply(
      gate + range.lowerBound, up + range.lowerBound, gate + range.lowerBound, range.count)
  }
}
