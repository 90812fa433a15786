/// Weights that are damaged or belong to another model give infinities and NaN; each result that leaves a network
/// is checked, so that they end a request instead of becoming text or pixels.
enum FiniteNumbers {
  /// - Parameter part: what computed the numbers.
  /// - Throws: `VARLiteError` with `model`, naming the model's file.
  static func require(
    _ values: UnsafeBufferPointer<Float>, of part: String, modelPath: String
  ) throws(VARLiteError) {
    guard areFinite(values) else { throw failure(part, modelPath) }
  }

  static func areFinite(_ values: UnsafeBufferPointer<Float>) -> Bool {
    let exponent: UInt32 = 0x7f80_0000
    var faults: UInt32 = 0
    for value in values { faults |= value.bitPattern & exponent == exponent ? 1 : 0 }
    return faults == 0
  }

  static func failure(_ part: String, _ modelPath: String) -> VARLiteError {
    VARLiteError(
      .model,
      "\(modelPath): the \(part) gives values that are no numbers; varlite verify tells whether "
        + "the file is damaged")
  }
}
