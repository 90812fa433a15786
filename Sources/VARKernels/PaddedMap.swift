/// Rows of a map with `channels` values a pixel, channels last, inside a border of one pixel.
struct PaddedMap {
  let pointer: UnsafeMutablePointer<Float>
  let height: Int
  let width: Int
  let channels: Int

  init(_ pointer: UnsafeMutablePointer<Float>, height: Int, width: Int, channels: Int) {
    self.pointer = pointer
    self.height = height
    self.width = width
    self.channels = channels
  }

  /// Elements from one padded row to the next.
  var rowStride: Int { (width + 2) * channels }
  static func floatCount(height: Int, width: Int, channels: Int) -> Int {
    (height + 2) * (width + 2) * channels
  }

  /// First value of a pixel; -1 and `height` (or `width`) are the border.
  func pixel(_ y: Int, _ x: Int) -> UnsafeMutablePointer<Float> {
    pointer + (y + 1) * rowStride + (x + 1) * channels
  }

  /// Writes zeros from a pixel on.
  func clear(_ y: Int, _ x: Int, count: Int) {
    pixel(y, x).update(repeating: 0, count: count * channels)
  }
}
