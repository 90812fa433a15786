/// How a client that waits for an answer is kept from giving up.
package enum Patience: Equatable {
  /// An interim answer after so many silent seconds, again and again.
  case interim(everySeconds: Int)
  /// Blanks before the document: what comes behind them cannot change the status any more.
  case blanks

  /// Silent seconds before the first blank, and between two.
  package static let blankSeconds = (first: 30, next: 10)

  private static let proxyMarks = ["via", "x-forwarded-for", "x-forwarded-proto", "forwarded"]

  /// Clients that tell their time-out understand interim answers. Some proxies and other clients take one for the
  /// answer.
  package init(_ head: RequestHead) {
    let isProxied = Self.proxyMarks.contains { head[$0] != nil }
    self =
      Self.statedSeconds(head) == nil || isProxied
      ? .blanks : .interim(everySeconds: Self.silenceSeconds(head))
  }

  /// Silent seconds after which a client says that it gives up; nil where it does not say.
  static func statedSeconds(_ head: RequestHead) -> Double? {
    let seconds = head["x-stainless-read-timeout"].flatMap { Double($0) } ?? 0
    return seconds > 0 ? seconds : nil
  }

  /// Silent seconds that a client bears well.
  static func silenceSeconds(_ head: RequestHead) -> Int {
    max(1, Int(min(Double(ServerSentEvent.silenceSeconds), (statedSeconds(head) ?? 600) / 3)))
  }
}
