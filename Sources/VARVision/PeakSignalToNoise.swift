import CVARKernels

/// The peak signal-to-noise ratio of two pictures of the same extents, in dB; 99 for equal pictures.
package func peakSignalToNoise(_ image: RGBImage, _ target: RGBImage) -> Double {
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

/// log10 of a positive normal number by the kernels' own logarithm, so that reports agree everywhere.
package func decimalLogarithm(_ value: Double) -> Double {
  precondition(value.isNormal && value > 0, "a logarithm of a positive number")
  return cvar_log(value) / cvar_log(10)
}
