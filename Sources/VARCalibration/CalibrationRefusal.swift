/// Why a calibration does not begin, because of what an earlier one left beside its output.
package struct CalibrationRefusal: Error {
  /// File and reason.
  package let problem: String
  /// Whether a run that goes on would take it over.
  package let canContinue: Bool
}
