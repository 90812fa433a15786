import VARModels

/// The tokens of a picture that the language model reads, as its cache has room for them.
package struct DrawingRoom: Equatable {
  /// The scales of the picture.
  let schedule: ScaleSchedule
  /// Tokens of all scales but the last.
  let earlierTokens: Int
  /// Tokens of the last scale, at which nothing looks later.
  let lastTokens: Int

  /// Room for a picture.
  package init(_ schedule: ScaleSchedule, _ shortcuts: ScaleShortcuts = .none) {
    self.schedule = schedule
    let last = schedule.steps(branchCount: 1, shortcuts).last
    earlierTokens = last?.cachedReadTokens ?? 0
    lastTokens = last?.readTokenCount ?? 0
  }

  /// Whether a drawing that needs `other` finds its place here.
  func holds(_ other: DrawingRoom) -> Bool {
    schedule == other.schedule && other.earlierTokens <= earlierTokens
      && other.earlierTokens + other.lastTokens <= earlierTokens + lastTokens
  }
}
