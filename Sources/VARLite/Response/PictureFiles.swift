import VARVision

extension RGBImage {
  /// Writes a PNG file, whole or not at all.
  ///
  /// - Throws: an error of the category `file`.
  public func writePNG(to path: String) throws(VARLiteError) {
    try writePNG(to: path, text: [])
  }

  fileprivate func writePNG(
    to path: String, text: [(key: String, value: String)]
  ) throws(VARLiteError) {
    do throws(ImageError) {
      try PNGEncoder.write(self, text: text, to: path)
    } catch { throw VARLiteError(.file, "\(error)") }
  }
}

extension Response {
  /// Writes the picture as a PNG file with ``pictureTexts`` in it, whole or not at all.
  ///
  /// - Throws: an error of the category `file`, or `nothingDrawn` where there is no picture.
  public func writePNG(to path: String) throws(VARLiteError) {
    try requiredPicture().writePNG(to: path, text: pictureTexts)
  }
}
