import VARVision

extension RGBImage {
  /// The bytes of a PNG file.
  public func png() throws(VARLiteError) -> [UInt8] { try png(text: []) }

  /// The bytes of a JPEG file.
  ///
  /// - Parameter quality: 1...100.
  public func jpeg(quality: Int = 90) throws(VARLiteError) -> [UInt8] {
    try jpeg(quality: quality, text: [])
  }

  /// Writes a PNG file, whole or not at all.
  ///
  /// - Throws: an error of the category `file`.
  public func writePNG(to path: String) throws(VARLiteError) {
    try write(to: path, png())
  }

  fileprivate func png(text: [(key: String, value: String)]) throws(VARLiteError) -> [UInt8] {
    do throws(ImageError) {
      return try PNGEncoder.encode(self, text: text)
    } catch { throw VARLiteError(error) }
  }

  fileprivate func jpeg(
    quality: Int, text: [(key: String, value: String)]
  ) throws(VARLiteError) -> [UInt8] {
    try VARLiteError.require(quality, in: 1...100, "quality")
    do throws(ImageError) {
      return try JPEGEncoder.encode(self, quality: quality, text: text)
    } catch { throw VARLiteError(error) }
  }

  fileprivate func write(to path: String, _ bytes: [UInt8]) throws(VARLiteError) {
    do throws(ImageError) {
      try ImageFile.write(bytes, to: path)
    } catch { throw VARLiteError(.file, "\(error.at(path))") }
  }
}

extension Response {
  /// The bytes of a PNG file with ``pictureTexts`` in it.
  ///
  /// - Throws: an error of the category `nothingDrawn` where there is no picture.
  public func png() throws(VARLiteError) -> [UInt8] {
    try requiredPicture().png(text: pictureTexts)
  }

  /// The bytes of a JPEG file with ``pictureTexts`` in it.
  ///
  /// - Parameter quality: 1...100.
  /// - Throws: an error of the category `nothingDrawn` where there is no picture.
  public func jpeg(quality: Int = 90) throws(VARLiteError) -> [UInt8] {
    try requiredPicture().jpeg(quality: quality, text: pictureTexts)
  }

  /// Writes the picture as a PNG file with ``pictureTexts`` in it, whole or not at all.
  ///
  /// - Throws: an error of the category `file`, or `nothingDrawn` where there is no picture.
  public func writePNG(to path: String) throws(VARLiteError) {
    try requiredPicture().write(to: path, png())
  }
}
