import VARLite
import VARVision

/// A request with what a model is to make of it: calibration shows it the inputs of its layers on the way there.
package struct CalibrationCase: Sendable {
  /// What the model is asked for; its drawing is not looked at.
  package let request: Request
  /// The words of the answer, those before a picture included.
  package let answer: String
  /// The picture of the answer; nil where words are all of it.
  package let picture: Picture?

  package init(_ request: Request, answer: String, picture: Picture? = nil) {
    self.request = request
    self.answer = answer
    self.picture = picture
  }
}
