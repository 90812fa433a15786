import VARLite
import VARVision

extension ForcedCase {
  /// Hands out the bytes that the case consists of, where another case has others: words, and pixels of pictures.
  package func addIdentity(to hash: ([UInt8]) -> Void) throws {
    for message in request.messages {
      hash(Array("\(message.role.rawValue) \(message.pictures.count) \(message.text)\u{0}".utf8))
      for picture in message.pictures { try Self.add(picture, to: hash) }
    }
    hash(Array("\(answer)\u{0}\(picture == nil ? 0 : 1)".utf8))
    if let picture { try Self.add(picture, to: hash) }
  }

  private static func add(_ picture: Picture, to hash: ([UInt8]) -> Void) throws {
    let outline = try picture.outline(limits: ImageLimits())
    let image = try picture.decoded(target: .understanding, byteCount: outline.decodingByteCount)
    hash(Array("\(image.width) \(image.height) ".utf8))
    hash(image.pixels)
  }
}
