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
  /// Turns the heads of rows `[heads * headDim]` in place.
  package func rotate(_ x: Rows, by tables: RotaryTables, pairing: RotaryPairing) {
    let (cosines, sines) = (tables.cosines, tables.sines)
    precondition(
      cosines.count == x.count && x.columns % (2 * cosines.columns) == 0
        && cosines.isContiguous && sines.isContiguous, "angles of other rows")
    let kernel =
      switch pairing {
      case .half: kernels.pointee.rope_half!
      case .interleaved: kernels.pointee.rope_interleaved!
      }
    pool.parallel(
      x.count, minimumPart: max(1, 16_384 / x.columns), with: (kernel, x, cosines, sines)
    ) { operands, range in
      let (kernel, x, cosines, sines) = operands
      let headDim = 2 * cosines.columns
      kernel(
        x[range].pointer, x.stride, Int32(range.count), Int32(x.columns / headDim), Int32(headDim),
        cosines[range].pointer, sines[range].pointer)
    }
  }

  /// Stores keys and values, rows of `[kvHeads * headDim]`, from a position of the cache on.
  package func store(_ cache: cvar_kv, position: Int, keys: Rows, values: Rows) {
    precondition(
      keys.hasShape(of: values) && keys.columns == Int(cache.kv_heads * cache.head_dim),
      "keys and values of another shape")
    precondition(
      position + keys.count <= Int(cache.body.capacity + cache.tail.capacity),
      "keys and values pass the cache")
    pool.parallel(
      keys.count, minimumPart: 16, with: (kernels, cache, position, keys, values)
    ) { operands, range in
      let (kernels, cache, position, keys, values) = operands
      withUnsafePointer(to: cache) { cache in
        kernels.pointee.kv_store(
          cache, Int32(position + range.lowerBound), Int32(range.count), keys[range].pointer,
          keys.stride, values[range].pointer, values.stride)
      }
    }
  }

  /// `output = softmax(softmaxFactor * q k) v` over the cache; queries and outputs are rows of `[heads * headDim]`.
  package func attend(
    _ cache: cvar_kv, queries: Rows, mask: AttentionMask, softmaxFactor: Float, into output: Rows
  ) {
    precondition(
      output.hasShape(of: queries) && queries.columns % Int(cache.kv_heads * cache.head_dim) == 0,
      "queries of another shape")
    let (length, causal): (Int, Int) =
      switch mask {
      case .causal(let first): (first + 1, 1)
      case .full(let count): (count, 0)
      }
    let operation = HeadAttention(
      kernels: kernels, cache: cache, queries: queries, length: length, causal: causal,
      softmaxFactor: softmaxFactor, output: output, threadCount: pool.threadCount)
    pool.parallel(operation.unitCount, operation)
  }
}

/// Attention of some heads. What reads the same keys shares the work of loading them, so a unit is a run of queries of
/// the heads that read one kv head, or of a part of them where there are more threads than units.
private struct HeadAttention: ParallelOperation {
  let kernels: UnsafePointer<cvar_kernels>
  let cache: cvar_kv
  let queries: Rows
  /// Keys that the first query sees.
  let length: Int
  /// Keys that each query sees more than the one before it: 1 or 0.
  let causal: Int
  let softmaxFactor: Float
  let output: Rows
  let threadCount: Int

  /// Queries times heads of a unit at most.
  private static let largestUnit = 48

  private var kvHeads: Int { Int(cache.kv_heads) }
  private var heads: Int { queries.columns / Int(cache.head_dim) }
  private var headsPerKVHead: Int { heads / kvHeads }
  private var queryRun: Int { max(1, Self.largestUnit / headsPerKVHead) }
  /// Units of each part of a kv head.
  private var runs: Int { (queries.count + queryRun - 1) / queryRun }
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
        let count = min(queryRun, queries.count - first)
        kernels.pointee.attention(
          cache, queries[first], queries.stride, Int32(count), Int32(heads), Int32(begin),
          Int32(end), Int32(length + causal * first), Int32(causal), softmaxFactor, output[first],
          output.stride)
      }
    }
  }
}
