import CVARKernels

/// Kernels, threads and the scratch of quantized activations for one request.
///
/// Every operation works on `Rows` and gives the same bits for every instruction set and number of threads.
package final class Compute {
  package let kernels: UnsafePointer<cvar_kernels>
  package let pool: ThreadPool
  let quantized: QuantizedActivations

  /// Rows that pass through a layer at once; scratch buffers are sized by it.
  package static let maximumBlockRows = 256

  package init(
    instructionSet: InstructionSet, pool: ThreadPool, arena: Arena, scratch: ScratchIDs
  ) {
    kernels = instructionSet.kernels
    self.pool = pool
    quantized = QuantizedActivations(arena: arena, scratch: scratch)
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
