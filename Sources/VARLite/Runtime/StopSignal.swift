import Synchronization

/// Asks a request to stop, from any thread.
public final class StopSignal: Sendable {
  /// When a request stops.
  public enum Moment: Int, Sendable, Comparable {
    /// With what there is. A drawing ends after the present scale, or after the first, with the picture of the scales
    /// so far. A text that belongs to no drawing ends after the present token. A request that waits ends as with
    /// ``now``.
    case afterScale = 1
    /// Before the next layer, with an error of the category ``VARLiteError/Category/cancelled``.
    case now = 2

    public static func < (left: Moment, right: Moment) -> Bool { left.rawValue < right.rawValue }
  }

  private let moment = Atomic<Int>(0)
  private let poll: (@Sendable () -> Moment?)?

  /// A signal that nobody has given yet.
  public init() { poll = nil }

  /// - Parameter poll: asked too, before every layer and twenty times a second while the request waits; on the thread
  ///   that runs the request.
  public init(polling poll: @escaping @Sendable () -> Moment?) { self.poll = poll }

  /// Stops requests that run with this signal; a sooner moment replaces a later one, never the other way round.
  public func stop(_ moment: Moment = .now) {
    _ = self.moment.max(moment.rawValue, ordering: .relaxed)
  }

  /// What was asked for; nil: nothing.
  package var requested: Moment? {
    let own = Moment(rawValue: moment.load(ordering: .relaxed))
    guard own != .now, let polled = poll?() else { return own }
    return own.map { max($0, polled) } ?? polled
  }

  var isNow: Bool { requested == .now }

  /// Whether a drawing ends behind its present scale, and a text behind its present token.
  var isRequested: Bool { requested != nil }
}
