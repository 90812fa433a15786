/// What is left out of the fine scales of a picture (MODEL 9.6).
package struct ScaleShortcuts: Sendable, Equatable {
  /// Scales, from the coarsest on, that have both branches of guidance; the others have the conditional one alone.
  package let guidedCount: Int
  /// Scales, from the coarsest on, of which the language model reads every token; of the others it reads every second
  /// one of every second row.
  package let denseCount: Int

  package init(guidedCount: Int, denseCount: Int) {
    self.guidedCount = guidedCount
    self.denseCount = denseCount
  }

  /// Nothing is left out.
  package static let none = ScaleShortcuts(guidedCount: .max, denseCount: .max)
}
