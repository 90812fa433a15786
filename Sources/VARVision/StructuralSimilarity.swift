/// The structural similarity (SSIM) of two pictures of the same extents, 1 for equal ones.
///
/// Z. Wang et al., Image quality assessment: from error visibility to structural similarity, 2004, of the luma
/// (BT.601), in windows of 8 x 8 pixels at every place, all weighing the same: the mean over all windows. A picture
/// that is smaller than a window is one window.
package func structuralSimilarity(_ image: RGBImage, _ target: RGBImage) -> Double {
  precondition(
    image.width == target.width && image.height == target.height, "pictures of the same extents")
  let (width, height) = (image.width, image.height)
  let (columns, rows) = (min(8, width), min(8, height))
  let (left, right) = (luma(image), luma(target))
  // Sums over all pixels above and to the left, of five products.
  var sums = [[Double]](
    repeating: [Double](repeating: 0, count: (width + 1) * (height + 1)), count: 5)
  for y in 0..<height {
    for x in 0..<width {
      let (a, b) = (left[y * width + x], right[y * width + x])
      for (index, value) in [a, b, a * a, b * b, a * b].enumerated() {
        let above = y * (width + 1) + x
        sums[index][above + width + 2] =
          value + sums[index][above + 1] + sums[index][above + width + 1] - sums[index][above]
      }
    }
  }
  let count = Double(columns * rows)
  let (c1, c2) = (0.01 * 255 * 0.01 * 255, 0.03 * 255 * 0.03 * 255)
  var total = 0.0
  for y in 0...height - rows {
    for x in 0...width - columns {
      let means = sums.map { sum in
        let (top, bottom) = (y * (width + 1) + x, (y + rows) * (width + 1) + x)
        return (sum[bottom + columns] - sum[bottom] - sum[top + columns] + sum[top]) / count
      }
      let (a, b) = (means[0], means[1])
      let (varianceA, varianceB) = (means[2] - a * a, means[3] - b * b)
      let covariance = means[4] - a * b
      total +=
        (2 * a * b + c1) * (2 * covariance + c2)
        / ((a * a + b * b + c1) * (varianceA + varianceB + c2))
    }
  }
  return total / Double((height - rows + 1) * (width - columns + 1))
}

private func luma(_ image: RGBImage) -> [Double] {
  (0..<image.width * image.height).map { pixel in
    let (red, green, blue) = (
      image.pixels[3 * pixel], image.pixels[3 * pixel + 1], image.pixels[3 * pixel + 2]
    )
    return 0.299 * Double(red) + 0.587 * Double(green) + 0.114 * Double(blue)
  }
}
