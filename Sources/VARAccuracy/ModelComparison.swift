import VARLite
import VARVision

/// Holds a model against another one of the same weights in a higher precision, request by request.
///
/// Answers are compared by their words. A drawing is compared twice: the bits that the model draws where those of the
/// reference are its history, so that one wrong bit does not spoil all that follow; and the pictures that both draw
/// freely.
package struct ModelComparison {
  package let model: Model
  /// What the model is held against.
  package let reference: Model
  /// What came of the comparisons so far.
  package private(set) var fidelity = Fidelity()

  package init(_ model: Model, against reference: Model) {
    self.model = model
    self.reference = reference
  }

  /// Runs a request with the reference, and compares.
  ///
  /// - Parameter response: what the model gave for the request.
  package mutating func add(
    _ request: Request, _ response: Response, stop: StopSignal = StopSignal()
  ) throws(VARLiteError) {
    // A model that talks where it may draw has no bits to compare.
    guard request.drawing == nil || response.picture != nil else { return }
    let expected = try reference.run(request, stop: stop)
    guard request.drawing != nil else {
      return fidelity.add(sameAnswer: expected.text == response.text)
    }
    guard let picture = response.picture, let expectedPicture = expected.picture,
      let bits = expected.drawing?.bits,
      let own = try ownBits(of: request, forcing: bits, stop)
    else { return }
    guard picture.width == expectedPicture.width, picture.height == expectedPicture.height else {
      throw VARLiteError(
        .model,
        "\(reference.path): draws \(expectedPicture.width) x \(expectedPicture.height) pixels "
          + "where \(model.path) draws \(picture.width) x \(picture.height); compare models of "
          + "the same weights")
    }
    fidelity.add(
      bits: own, expected: bits,
      psnrDecibels: peakSignalToNoise(picture, expectedPicture))
  }

  /// Bits that the model draws where others are its history; nil where it draws nothing.
  private func ownBits(
    of request: Request, forcing bits: [[UInt8]], _ stop: StopSignal
  ) throws(VARLiteError) -> [[UInt8]]? {
    let forced = try model.run(request, instruments: Instruments(forcedBits: bits), stop: stop)
    return forced.picture == nil ? nil : forced.ownBits
  }
}
