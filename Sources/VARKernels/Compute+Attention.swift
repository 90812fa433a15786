import CVARKernels

/// Which keys a query sees.
package enum AttentionMask: Sendable {
  /// Query `i` of the call sees the keys before it and its own: `first + i + 1` of them.
  case causal(first: Int)
  /// Every query sees `count` keys.
  case full(count: Int)
}

/// How a rotary embedding pairs the values of a head.
package enum RotaryPairing: Sendable {
  /// Element i with element i + headDim/2.
  case half
  /// Element 2i with element 2i+1.
  case interleaved
}

extension Compute {
  /// In place on `[rows, heads * headDim]`; `cos` and `sin` are `[rows, headDim / 2]`.
  package func rotate(
    _ x: UnsafeMutablePointer<Float>, stride: Int, rows: Int, heads: Int, headDim: Int,
    cos: UnsafePointer<Float>, sin: UnsafePointer<Float>, pairing: RotaryPairing
  ) {
    let kernel =
      switch pairing {
      case .half: kernels.pointee.rope_half!
      case .interleaved: kernels.pointee.rope_interleaved!
      }
    pool.parallel(
      rows, minimumPart: max(1, 16_384 / (heads * headDim)),
      with: (kernel, x, stride, heads, headDim, cos, sin)
    ) { operands, range in
      let (kernel, x, stride, heads, headDim, cos, sin) = operands
      let half = headDim / 2
      kernel(
        x + range.lowerBound * stride, stride, Int32(range.count), Int32(heads), Int32(headDim),
        cos + range.lowerBound * half, sin + range.lowerBound * half)
    }
  }

  /// Stores keys and values `[rows, kvHeads * headDim]` at positions `position..<position + rows`.
  package func store(
    _ cache: cvar_kv, position: Int, rows: Int, keys: UnsafePointer<Float>, keyStride: Int,
    values: UnsafePointer<Float>, valueStride: Int
  ) {
    precondition(
      position + rows <= Int(cache.body.capacity + cache.tail.capacity),
      "keys and values pass the cache")
    pool.parallel(
      rows, minimumPart: 16,
      with: (kernels, cache, position, keys, keyStride, values, valueStride)
    ) { operands, range in
      let (kernels, cache, position, keys, keyStride, values, valueStride) = operands
      withUnsafePointer(to: cache) { cache in
        kernels.pointee.kv_store(
          cache, Int32(position + range.lowerBound), Int32(range.count),
          keys + range.lowerBound * keyStride, keyStride, values + range.lowerBound * valueStride,
          valueStride)
      }
    }
  }

  /// `output[rows, heads * headDim] = softmax(scale * q k) v` over the cache.
  package func attend(
    _ cache: cvar_kv, queries: UnsafePointer<Float>, queryStride: Int, rows: Int, heads: Int,
    mask: AttentionMask, scale: Float, into output: UnsafeMutablePointer<Float>, outputStride: Int
  ) {
    let (length, causal): (Int, Int) =
      switch mask {
      case .causal(let first): (first + 1, 1)
      case .full(let count): (count, 0)
      }
    let operation = HeadAttention(
      kernels: kernels, cache: cache, queries: queries, queryStride: queryStride, rows: rows,
      heads: heads, length: length, causal: causal, scale: scale, output: output,
      outputStride: outputStride, threadCount: pool.threadCount)
    pool.parallel(operation.unitCount, operation)
  }
}

/// Attention of some heads. What reads the same keys shares the work of loading them, so a unit is a run of queries of
/// the heads that read one kv head, or of a part of them where there are more threads than units.
private struct HeadAttention: ParallelOperation {
  let kernels: UnsafePointer<cvar_kernels>
  let cache: cvar_kv
  let queries: UnsafePointer<Float>
  let queryStride: Int
  let rows: Int
  let heads: Int
  let length: Int
  let causal: Int
  let scale: Float
  let output: UnsafeMutablePointer<Float>
  let outputStride: Int
  let threadCount: Int

  /// Queries times heads of a unit at most.
  private static let largestUnit = 48

  private var kvHeads: Int { Int(cache.kv_heads) }
  private var headsPerKVHead: Int { heads / kvHeads }
  private var queryRun: Int { max(1, Self.largestUnit / headsPerKVHead) }
  /// Units of each part of a kv head.
  private var runs: Int { (rows + queryRun - 1) / queryRun }
  /// Parts of the heads that read one kv head.
  private var parts: Int {
    min(headsPerKVHead, max(1, (threadCount + kvHeads * runs - 1) / (kvHeads * runs)))
  }

  var unitCount: Int { kvHeads * parts * runs }

  func run(_ units: Range<Int>) {
    let (parts, runs, queryRun) = (self.parts, self.runs, self.queryRun)
    withUnsafePointer(to: cache) { cache in
      for unit in units {
        let (kvHead, part) = (unit / runs).quotientAndRemainder(dividingBy: parts)
        let firstHead = kvHead * headsPerKVHead
        let begin = firstHead + part * headsPerKVHead / parts
        let end = firstHead + (part + 1) * headsPerKVHead / parts
        let first = unit % runs * queryRun
        let count = min(queryRun, rows - first)
        kernels.pointee.attention(
          cache, queries + first * queryStride, queryStride, Int32(count), Int32(heads),
          Int32(begin), Int32(end), Int32(length + causal * first), Int32(causal), scale,
          output + first * outputStride, outputStride)
      }
    }
  }
}
