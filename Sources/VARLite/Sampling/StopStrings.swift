/// Ends a text before the first stop string that it would hold.
///
/// The end of a text that may be the beginning of a stop string is held back until the next words decide.
struct StopStrings {
  private let strings: [[UInt8]]
  private var held: [UInt8] = []
  /// Whether a stop string came.
  private(set) var hasEnded = false

  init(_ strings: [String]) { self.strings = strings.map { Array($0.utf8) } }

  /// - Returns: what of the text so far is certain to stand, and was not returned yet.
  mutating func append(_ text: String) -> String {
    guard !strings.isEmpty, !hasEnded else { return hasEnded ? "" : text }
    held += Array(text.utf8)
    // The one that is whole first, so that it is the same in whichever pieces the text comes.
    for end in held.indices {
      let ended = strings.filter { held[...end].suffix($0.count).elementsEqual($0) }
      if let longest = ended.map(\.count).max() {
        hasEnded = true
        return take(end + 1 - longest)
      }
    }
    let open = held.indices.first { start in
      strings.contains { $0.starts(with: held[start...]) }
    }
    return take(open ?? held.count)
  }

  /// - Returns: what was held back, where the text ends otherwise.
  mutating func finish() -> String { hasEnded ? "" : take(held.count) }

  private mutating func take(_ count: Int) -> String {
    defer { held.removeFirst(count) }
    return String(decoding: held.prefix(count), as: UTF8.self)
  }
}
