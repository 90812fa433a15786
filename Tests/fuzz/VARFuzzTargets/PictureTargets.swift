import CZlib
import VARVision

extension FuzzTarget {
  static let png = FuzzTarget(
    "png", files: { [FuzzFile("picture.png", $0)] }, read: readPicture,
    change: { input, change in
      let bytes = change.mutate(input, change.capacity)
      return change.happens(onceIn: 16) ? bytes : mendedPNG(bytes)
    })

  static let jpeg = FuzzTarget(
    "jpeg", files: { [FuzzFile("picture.jpg", $0)] }, read: readPicture)

  static let webp = FuzzTarget(
    "webp", files: { [FuzzFile("picture.webp", $0)] }, read: readPicture,
    change: { input, change in
      var bytes = change.mutate(input, change.capacity)
      if bytes.count >= 12, !change.happens(onceIn: 8) {
        bytes.set(bytes.count - 8, at: 4, size: 4)
      }
      return bytes
    })

  /// Memory that a picture may take here; what needs more is refused before any of it is taken.
  private static let limits = ImageLimits(
    maximumPixels: 1 << 22, maximumFileBytes: 1 << 20, maximumMemoryBytes: 64 << 20)

  private static let readPicture: @Sendable ([UInt8]) throws -> Void = { input in
    let extents = try ImageDecoder.outline(input, limits: limits).extents
    for alpha in [AlphaRule.onWhite, .dropped] {
      let image = try ImageDecoder.decode(input, name: "picture", limits: limits, alpha: alpha)
      guard image.width == extents.width, image.height == extents.height else {
        preconditionFailure("a picture has other extents than its header")
      }
    }
  }

  /// With the checksums that its chunks have.
  private static func mendedPNG(_ input: [UInt8]) -> [UInt8] {
    var bytes = input
    var start = 8
    while start + 12 <= bytes.count {
      let length = bytes[start..<start + 4].reduce(0) { $0 << 8 | Int($1) }
      let end = start + 8 + length
      guard end + 4 <= bytes.count else { break }
      let sum = Array(bytes[start + 4..<end]).withUnsafeBufferPointer {
        crc32(0, $0.baseAddress, UInt32($0.count))
      }
      bytes.setBigEndian(sum, at: end)
      start = end + 4
    }
    return bytes
  }
}
