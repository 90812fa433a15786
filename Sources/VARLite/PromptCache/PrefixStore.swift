import Synchronization
import VARModels

/// The prefixes that a model keeps for its requests.
///
/// The longest that a request begins with is what it need not compute. The bytes are in the plan of every request of
/// the model, and are given up before a request would be refused for want of memory.
final class PrefixStore: Sendable {
  /// The one that was used last stands last.
  private let prefixes = Mutex<[KeptPrefix]>([])

  /// Memory of all prefixes.
  var byteCount: Int { prefixes.withLock { Self.byteCount($0) } }

  /// Memory of the system turns alone.
  var systemTurnByteCount: Int {
    prefixes.withLock { prefixes in Self.byteCount(prefixes.filter(\.isSystemTurn)) }
  }

  /// Whether a system turn is there.
  func holds(systemTurn tokens: PromptTokens, _ kvType: KVType) -> Bool {
    prefixes.withLock { prefixes in
      prefixes.contains { $0.isSystemTurn && $0.kvType == kvType && $0.tokens == tokens }
    }
  }

  /// The prefix that has most tokens in common with a prompt, and how many.
  ///
  /// - Parameter needsHiddenStates: whether only those count that have final hidden states.
  func longest(
    of tokens: PromptTokens, _ kvType: KVType, needsHiddenStates: Bool
  ) -> (prefix: KeptPrefix, count: Int)? {
    prefixes.withLock { prefixes in
      var best: (index: Int, count: Int)?
      for (index, prefix) in prefixes.enumerated()
      where prefix.kvType == kvType && (prefix.hasHiddenStates || !needsHiddenStates) {
        let count = prefix.tokens.commonCount(with: tokens)
        if count > best?.count ?? 0 { best = (index, count) }
      }
      guard let best else { return nil }
      let prefix = prefixes.remove(at: best.index)
      prefixes.append(prefix)
      return (prefix, best.count)
    }
  }

  /// Makes room for a system turn within a limit.
  ///
  /// - Returns: false where it is larger.
  func makeRoom(forSystemTurn shape: KeptPrefix.Shape, within limit: Int) -> Bool {
    let byteCount = KeptPrefix.byteCount(shape)
    guard byteCount <= limit else { return false }
    shrink(to: limit - byteCount)
    return true
  }

  /// Makes room for a conversation within a limit. Those that it goes on from are of no more use.
  ///
  /// - Returns: false where it is larger, beside the system turns.
  func makeRoom(
    for shape: KeptPrefix.Shape, of tokens: PromptTokens, within limit: Int
  ) -> Bool {
    let byteCount = KeptPrefix.byteCount(shape)
    return prefixes.withLock { prefixes in
      prefixes.removeAll { prefix in
        !prefix.isSystemTurn && prefix.kvType == shape.kvType
          && (shape.hasHiddenStates || !prefix.hasHiddenStates)
          && prefix.tokens.commonCount(with: tokens) == prefix.tokens.count
      }
      let systemTurns = Self.byteCount(prefixes.filter(\.isSystemTurn))
      guard systemTurns + byteCount <= limit else { return false }
      Self.shrink(&prefixes, to: limit - byteCount)
      return true
    }
  }

  /// Keeps a prefix; others are given up where all are more than a limit.
  func insert(_ prefix: KeptPrefix, within limit: Int) {
    prefixes.withLock { prefixes in
      // Two requests may have read the same at once.
      prefixes.removeAll { other in
        other.isSystemTurn == prefix.isSystemTurn && other.kvType == prefix.kvType
          && other.hasHiddenStates == prefix.hasHiddenStates && other.tokens == prefix.tokens
      }
      prefixes.append(prefix)
      Self.shrink(&prefixes, to: limit)
    }
  }

  /// Gives up what passes a limit.
  func shrink(to limit: Int) { prefixes.withLock { Self.shrink(&$0, to: limit) } }

  private static func byteCount(_ prefixes: [KeptPrefix]) -> Int {
    prefixes.reduce(0) { $0 + $1.byteCount }
  }

  /// System turns go last: they are small, and all requests begin with them.
  private static func shrink(_ prefixes: inout [KeptPrefix], to limit: Int) {
    while byteCount(prefixes) > limit {
      prefixes.remove(at: prefixes.firstIndex { !$0.isSystemTurn } ?? 0)
    }
  }
}
