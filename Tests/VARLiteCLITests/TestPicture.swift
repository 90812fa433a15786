import VARVision

/// Pictures of one colour.
enum TestPicture {
  static func write(width: Int, height: Int, to path: String) throws {
    let pixels = [UInt8](repeating: 200, count: width * height * 3)
    try PNGEncoder.write(RGBImage(width: width, height: height, pixels: pixels), to: path)
  }
}
