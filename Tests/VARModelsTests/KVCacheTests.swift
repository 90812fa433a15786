import CVARKernels
import Testing
import VARKernels
import VARModels
import VARSystem
import VARTestSupport

@Suite struct KVCacheTests {
  private static let layers = 3
  private static let kvHeads = 2
  private static let heads = 4
  private static let headDim = 24
  private static let width = kvHeads * headDim

  /// What one layer gets, from a seed.
  private struct LayerData {
    let keys, values, queries, bias: [Float]

    init(positions: Int, seed: UInt64) {
      var random = SplitMix64(seed: seed)
      func numbers(_ count: Int) -> [Float] { (0..<count).map { _ in random.nextFloat() } }
      keys = numbers(positions * KVCacheTests.width)
      values = numbers(positions * KVCacheTests.width)
      queries = numbers(positions * KVCacheTests.heads * KVCacheTests.headDim)
      bias = numbers(KVCacheTests.width).map { $0 * 20 }
    }
  }

  /// Outputs of all layers of the last of several calls, each of which goes through all layers.
  private func outputs(
    _ type: KVType, capacity: Int, positions: Int, calls: [Int], hasKeyBias: Bool
  ) throws -> [[Float]] {
    var plan = MemoryPlan()
    let activations = Compute.reserve(&plan, maximumColumns: 16)
    let layout = KVCache.Layout.reserve(
      &plan, "kv",
      .init(
        type, layerCount: Self.layers, kvHeads: Self.kvHeads, headDim: Self.headDim,
        hasKeyBias: hasKeyBias),
      capacity: capacity, tailCapacity: positions - capacity)
    let arena = try #require(Arena(plan))
    let compute = Compute(
      instructionSet: .best, pool: try #require(ThreadPool(threadCount: 2)), arena: arena,
      scratch: activations)
    let cache = KVCache(layout, arena: arena)
    if hasKeyBias { storeTables(cache, positions) }
    let data = (0..<Self.layers).map { LayerData(positions: positions, seed: UInt64($0)) }
    var results = data.map { _ in
      [Float](repeating: 0, count: positions * Self.heads * Self.headDim)
    }
    var first = 0
    for rows in calls {
      for (index, layer) in data.enumerated() {
        layer.bias.withUnsafeBufferPointer { bias in
          let kv = cache.layer(index, keyBias: hasKeyBias ? bias.baseAddress : nil)
          let new = first..<first + rows
          layer.keys.withRows(columns: Self.width) { keys in
            layer.values.withRows(columns: Self.width) { values in
              compute.store(kv, position: first, keys: keys[new], values: values[new])
            }
          }
          let columns = Self.heads * Self.headDim
          layer.queries.withRows(columns: columns) { queries in
            results[index].withMutableRows(columns: columns) { output in
              compute.attend(
                kv, queries: queries[..<rows], mask: .full(count: new.upperBound),
                softmaxFactor: 0.7, into: output[..<rows])
            }
          }
        }
      }
      first += rows
    }
    return results
  }

  private func storeTables(_ cache: KVCache, _ positions: Int) {
    let angles = (0..<positions * Self.headDim / 2).map { Float($0) * 0.37 }
    angles.map { cvar_cos($0) }.withRows(columns: Self.headDim / 2) { cosines in
      angles.map { cvar_sin($0) }.withRows(columns: Self.headDim / 2) { sines in
        cache.storeRotary(first: 0, RotaryTables(cosines: cosines, sines: sines))
      }
    }
  }

  /// Bodies that end within a block of 64 keys, within a group of 16, and before the first key; tails of some blocks.
  @Test(arguments: KVType.allCases, [[40, 150], [16, 48, 64], [1, 4, 9], [200], [70, 63, 3]])
  func tailEqualsStored(type: KVType, calls: [Int]) throws {
    let positions = calls.reduce(0, +)
    let last = try #require(calls.last)
    for hasKeyBias in [false, true] {
      let stored = try outputs(
        type, capacity: positions, positions: positions, calls: calls, hasKeyBias: hasKeyBias)
      let tail = try outputs(
        type, capacity: positions - last, positions: positions, calls: calls,
        hasKeyBias: hasKeyBias)
      for (index, (tail, stored)) in zip(tail, stored).enumerated() {
        let worst = largestDifference(tail, stored)
        #expect(worst.value == 0, "layer \(index), bias \(hasKeyBias): \(worst)")
      }
      let others = largestDifference(stored[0], stored[1])
      #expect(others.value > 0.01, "layers share what they store")
    }
  }
}
