import VARVision

/// The peak signal-to-noise ratio of two pictures of the same extents, in dB; 99 for equal pictures.
public func peakSignalToNoise(_ image: RGBImage, _ target: RGBImage) -> Double {
  precondition(
    image.width == target.width && image.height == target.height, "pictures of the same extents")
  var squaredError = 0
  for (left, right) in zip(image.pixels, target.pixels) {
    let difference = Int(left) - Int(right)
    squaredError += difference * difference
  }
  guard squaredError > 0 else { return 99 }
  let meanSquaredError = Double(squaredError) / Double(image.pixels.count)
  return 10 * decimalLogarithm(255 * 255 / meanSquaredError)
}

/// log10 of a positive normal number from basic operations only, so that reports agree everywhere.
///
/// With x = m * 2^e and m in [1, 2), ln m = 2 atanh((m - 1) / (m + 1)); the argument is at most 1/3, so 20 terms of the
/// series leave an error below 1e-19.
package func decimalLogarithm(_ value: Double) -> Double {
  precondition(value.isNormal && value > 0, "a logarithm of a positive number")
  let ratio = (value.significand - 1) / (value.significand + 1)
  var power = ratio
  var sum = 0.0
  for term in 0..<20 {
    sum += power / Double(2 * term + 1)
    power *= ratio * ratio
  }
  let naturalLogarithm = 2 * sum + Double(value.exponent) * 0.693147180559945309417
  return naturalLogarithm / 2.302585092994045684018
}
