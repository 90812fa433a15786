import VARLite
import VARVision

/// A request with what a model is to make of it, whatever it would make of it by itself.
package struct ForcedCase: Sendable {
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

  /// Tokens of the answer, and the one that ends it.
  package func wordCount(_ model: Model) -> Int { model.tokenizer.encode(answer).count + 1 }
}
