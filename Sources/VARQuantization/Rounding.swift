/// How weights become integers.
package enum Rounding: String, Sendable, CaseIterable {
  /// Each to the nearest level.
  case nearest
  /// So that their errors make good for each other, where the inputs are known (`Compensation`).
  case compensated
}
