import VARSystem

/// What an adapter adds to a tensor: the product of two small matrices, times a factor.
///
/// PEFT's names: `factor * (lora_B @ lora_A)`, transposed for embeddings and with `fan_in_fan_out`.
struct LowRankUpdate: Sendable {
  /// `lora_A`: `[rank, in]`.
  let downward: CheckpointTensor
  /// `lora_B`: `[out, rank]`.
  let upward: CheckpointTensor
  let rank: Int
  let factor: Float
  /// Whether the tensor is `[in, out]`; else it is `[out, in]`.
  let isTransposed: Bool
}

/// Reads whole rows of a tensor as f32, and adds the updates of its adapters to them.
///
/// A row is everything behind the first axis. An element is `x + factor * d`, `d` the sum of `rank` products in the
/// order of the rank, every product and sum rounded to f32; the updates of several adapters are added one after the
/// other. One factor of each update is held in memory. For one thread.
package final class TensorRows {
  package let tensor: CheckpointTensor
  /// Elements of a row.
  package let cols: Int
  private let updates: [LoadedUpdate]

  /// Reads what is held in memory. Throws as `CheckpointTensor.read`, and `notFinite`.
  package init(_ tensor: CheckpointTensor) throws(CheckpointError) {
    self.tensor = tensor
    let cols = tensor.shape.dropFirst().reduce(1, *)
    self.cols = cols
    var updates: [LoadedUpdate] = []
    for update in tensor.updates { updates.append(try LoadedUpdate(update, cols: cols)) }
    self.updates = updates
  }

  /// Fills `x[rowCount][cols]` with the rows from `firstRow` on.
  package func read(
    firstRow: Int, rowCount: Int, into x: UnsafeMutablePointer<Float>
  ) throws(CheckpointError) {
    try tensor.readBase(
      from: firstRow * cols, into: UnsafeMutableBufferPointer(start: x, count: rowCount * cols))
    try addUpdates(firstRow: firstRow, rowCount: rowCount, to: x)
  }

  /// Adds the updates to `x[rowCount][cols]`, the rows from `firstRow` on as they stand in the checkpoint.
  package func addUpdates(
    firstRow: Int, rowCount: Int, to x: UnsafeMutablePointer<Float>
  ) throws(CheckpointError) {
    for update in updates { try update.add(firstRow: firstRow, rowCount: rowCount, to: x) }
  }

  /// Bytes that reading a tensor's rows holds in memory, `rowCount` rows at a time at most.
  package static func byteCount(for tensor: CheckpointTensor, rowCount: Int) -> Int {
    let cols = tensor.shape.dropFirst().reduce(1, *)
    return tensor.updates.reduce(0) { sum, update in
      // A factor that is turned is in memory twice while that is done.
      sum + 4 * (update.rank * cols * (update.isTransposed ? 2 : 1) + update.rank * rowCount + cols)
    }
  }
}

/// An update whose factor along the columns is in memory.
private final class LoadedUpdate {
  private let update: LowRankUpdate
  private let cols: Int
  /// `[rank][cols]`.
  private let right: [Float]
  /// `[row][rank]` of the rows at hand.
  private var left: [Float] = []
  /// A row of the product.
  private let sum: UnsafeMutablePointer<Float>
  private let sumMemory: HeapMemory

  init(_ update: LowRankUpdate, cols: Int) throws(CheckpointError) {
    self.update = update
    self.cols = cols
    let source = update.isTransposed ? update.upward : update.downward
    let values = try source.floats()
    try Self.checkFinite(values, of: source)
    let rank = update.rank
    if update.isTransposed {
      try source.file.requireMemory(values.count * MemoryLayout<Float>.size)
      var turned = [Float](repeating: 0, count: values.count)
      for col in 0..<cols {
        for k in 0..<rank { turned[k * cols + col] = values[col * rank + k] }
      }
      right = turned
    } else {
      right = values
    }
    sumMemory = try source.file.memory(cols * MemoryLayout<Float>.stride)
    sum = sumMemory.bytes.assumingMemoryBound(to: Float.self).baseAddress!
  }

  func add(
    firstRow: Int, rowCount: Int, to x: UnsafeMutablePointer<Float>
  ) throws(CheckpointError) {
    try readLeft(firstRow: firstRow, rowCount: rowCount)
    right.withUnsafeBufferPointer { right in
      left.withUnsafeBufferPointer { left in
        for row in 0..<rowCount {
          multiply(left.baseAddress! + row * update.rank, right.baseAddress!)
          let target = x + row * cols
          for col in 0..<cols { target[col] += update.factor * sum[col] }
        }
      }
    }
  }

  /// `sum[col] = left . right[..][col]`, in the order of the rank; four steps at a time, so that the sums stay in
  /// registers.
  private func multiply(_ left: UnsafePointer<Float>, _ right: UnsafePointer<Float>) {
    sum.update(repeating: 0, count: cols)
    var k = 0
    while k + 4 <= update.rank {
      let (l0, l1, l2, l3) = (left[k], left[k + 1], left[k + 2], left[k + 3])
      let r0 = right + k * cols
      let (r1, r2, r3) = (r0 + cols, r0 + 2 * cols, r0 + 3 * cols)
      for col in 0..<cols {
        sum[col] = (((sum[col] + l0 * r0[col]) + l1 * r1[col]) + l2 * r2[col]) + l3 * r3[col]
      }
      k += 4
    }
    while k < update.rank {
      let (l, r) = (left[k], right + k * cols)
      for col in 0..<cols { sum[col] += l * r[col] }
      k += 1
    }
  }

  private func readLeft(firstRow: Int, rowCount: Int) throws(CheckpointError) {
    let rank = update.rank
    let source = update.isTransposed ? update.downward : update.upward
    let values: [Float]
    if update.isTransposed {
      // Columns of `lora_A`: a piece of each of its rows.
      let inputs = source.elementCount / rank
      var turned = [Float](repeating: 0, count: rowCount * rank)
      for k in 0..<rank {
        let part = try source.floats(from: k * inputs + firstRow, count: rowCount)
        for row in 0..<rowCount { turned[row * rank + k] = part[row] }
      }
      values = turned
    } else {
      values = try source.floats(from: firstRow * rank, count: rowCount * rank)
    }
    try Self.checkFinite(values, of: source)
    left = values
  }

  private static func checkFinite(
    _ values: [Float], of tensor: CheckpointTensor
  ) throws(CheckpointError) {
    guard values.allSatisfy(\.isFinite) else {
      throw CheckpointError(
        .notFinite, path: tensor.path, tensor: tensor.name,
        "holds a number that is not finite; the adapter is damaged, fetch it again")
    }
  }
}
