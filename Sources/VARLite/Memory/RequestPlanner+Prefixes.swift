import VARKernels
import VARModels

/// What a request adds to the prefixes that a model keeps.
struct NewPrefixes {
  /// The turn that it begins with; nil where that is none or is not kept.
  var systemTurn: PromptTokens?
  /// Tokens that the conversation has in the end at most.
  var conversationTokens = 0
  /// Whether it may draw.
  var draws = false
}

extension RequestPlan {
  /// Name of what the model keeps of prompts.
  static let keptName = "prompt.cache"

  /// Bytes that the model's prefixes may take while the request runs and when it has ended.
  var keptByteCount: Int {
    phases.first?.buffers.first { $0.name == Self.keptName }?.byteCount ?? 0
  }
}

extension RequestPlanner {
  /// What the model may keep of prompts when the request has ended, in bytes, from the most on: less is kept where the
  /// request would not fit beside it.
  ///
  /// - Parameter isStreaming: whether weights make do with what is left: conversations are not kept then.
  func keptByteCounts(_ new: NewPrefixes, isStreaming: Bool) -> [Int] {
    let cache = model.options.promptCache
    guard cache.extent != .nothing else { return [] }
    func byteCount(_ count: Int, _ hasHiddenStates: Bool) -> Int {
      model.keptShape(count, kvType, hasHiddenStates: hasHiddenStates)
        .map(KeptPrefix.byteCount) ?? 0
    }
    let store = model.prefixes
    var newSystemTurn = 0
    if let tokens = new.systemTurn, !store.holds(systemTurn: tokens, kvType) {
      newSystemTurn = byteCount(tokens.count, true)
    }
    let systemTurns = store.systemTurnByteCount + newSystemTurn
    var counts = [systemTurns]
    if !isStreaming {
      counts.insert(store.byteCount + newSystemTurn, at: 0)
      let conversation = byteCount(new.conversationTokens, new.draws)
      if cache.extent == .conversations, conversation > 0,
        systemTurns + conversation <= cache.maximumByteCount
      {
        counts.insert(counts[0] + conversation, at: 0)
      }
    }
    return counts.map { min($0, cache.maximumByteCount) }.filter { $0 > 0 }
  }
}
