import CVARKernels
import VARSystem

/// Kernels, threads and the scratch of quantized activations for one request.
///
/// Every operation works on `Rows` and gives the same bits for every instruction set and number of threads.
package final class Compute {
  package let kernels: UnsafePointer<cvar_kernels>
  package let pool: ThreadPool
  let quantized: QuantizedActivations
  /// Sees the inputs of linear layers; nil costs one branch for each product.
  private let observer: (any LinearObserver)?

  /// Rows that pass through a layer at once; scratch buffers are sized by it.
  package static let maximumBlockRows = 256

  package init(
    instructionSet: InstructionSet, pool: ThreadPool, arena: Arena, scratch: ScratchIDs
  ) {
    kernels = instructionSet.kernels
    self.pool = pool
    quantized = QuantizedActivations(arena: arena, scratch: scratch)
    observer = nil
  }

  private init(_ other: Compute, observer: any LinearObserver) {
    kernels = other.kernels
    pool = other.pool
    quantized = other.quantized
    self.observer = observer
  }

  /// The same, with the same threads and scratch, where an observer sees the inputs of linear layers.
  package func observed(by observer: any LinearObserver) -> Compute {
    Compute(self, observer: observer)
  }

  func observe(_ layer: Linear, _ input: Rows) {
    if let observer, let site = layer.site { observer.observe(site, input) }
  }

  /// Buffers for the activations of one block of rows in int8.
  package struct ScratchIDs {
    let codes: MemoryPlan.ID
    let scales: MemoryPlan.ID
    let sums: MemoryPlan.ID
    let capacity: Int
  }

  /// - Parameter maximumColumns: the widest input of any quantized matrix.
  package static func reserve(_ plan: inout MemoryPlan, maximumColumns: Int) -> ScratchIDs {
    let capacity = maximumBlockRows * maximumColumns
    // The smallest group has 16 columns.
    return ScratchIDs(
      codes: plan.reserve("activations.codes", byteCount: capacity),
      scales: plan.reserve("activations.scales", floats: capacity / 16),
      sums: plan.reserve("activations.sums", floats: capacity / 16),
      capacity: capacity)
  }
}

/// The int8 form of one block of activations.
final class QuantizedActivations {
  let codes: UnsafeMutablePointer<Int8>
  let scales: UnsafeMutablePointer<Float>
  let sums: UnsafeMutablePointer<Int32>
  let capacity: Int

  init(arena: Arena, scratch: Compute.ScratchIDs) {
    codes = arena.raw(scratch.codes).assumingMemoryBound(to: Int8.self)
    scales = arena.floats(scratch.scales)
    sums = arena.raw(scratch.sums).assumingMemoryBound(to: Int32.self)
    capacity = scratch.capacity
  }
}
