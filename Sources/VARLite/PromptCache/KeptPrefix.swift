import VARKernels
import VARModels

/// Keys and values of the first tokens of a conversation in memory of their own, for later requests that begin alike.
///
/// Attention is causal, so they depend on these tokens alone, and the kernels give a row the same bits whichever rows
/// go through a layer with it: a copy is what computing them again would give. Sendable because nothing is written to
/// a prefix any more once it is in a ``PrefixStore``.
final class KeptPrefix: @unchecked Sendable {
  /// What decides how much memory a prefix takes.
  struct Shape {
    let language: Qwen2Configuration
    let kvType: KVType
    let count: Int
    /// Whether the final hidden states are kept, which a picture is drawn from.
    let hasHiddenStates: Bool
  }

  private struct Layout {
    var plan = MemoryPlan()
    let cache: KVCache.Layout
    let hidden: MemoryPlan.RowsID

    init(_ shape: Shape) {
      let language = shape.language
      cache = KVCache.Layout.reserve(
        &plan, "prefix.kv",
        .init(
          shape.kvType, layerCount: language.numHiddenLayers, kvHeads: language.numKeyValueHeads,
          headDim: language.headDim),
        capacity: shape.count)
      hidden = plan.reserve(
        "prefix.hidden", rows: shape.hasHiddenStates ? shape.count : 0,
        columns: language.hiddenSize)
    }
  }

  /// Bytes that a prefix takes.
  static func byteCount(_ shape: Shape) -> Int { Layout(shape).plan.byteCount }

  let tokens: PromptTokens
  let kvType: KVType
  /// Whether it is what every request with the same system message begins with.
  let isSystemTurn: Bool
  let cache: KVCache
  /// Final hidden states `[count, hiddenSize]`; no rows where none are kept.
  let hidden: Rows
  private let arena: Arena

  /// - Returns: nil where the system refuses the memory.
  init?(_ tokens: PromptTokens, _ shape: Shape, isSystemTurn: Bool) {
    precondition(tokens.count == shape.count, "a prefix of another length")
    let layout = Layout(shape)
    guard let arena = Arena(layout.plan) else { return nil }
    self.tokens = tokens
    self.isSystemTurn = isSystemTurn
    self.arena = arena
    kvType = shape.kvType
    cache = KVCache(layout.cache, arena: arena)
    hidden = arena.rows(layout.hidden)
  }

  var byteCount: Int { arena.plan.byteCount }
  var hasHiddenStates: Bool { hidden.count > 0 }

  /// All that is kept, as a file has it.
  var content: UnsafeMutableRawBufferPointer { arena.bytes }
}
