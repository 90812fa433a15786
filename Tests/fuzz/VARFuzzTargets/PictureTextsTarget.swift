import VARLite
import VARVision

extension FuzzTarget {
  /// What a picture's file tells of how it was drawn, with a hash that fits.
  static let pictureTexts = FuzzTarget(
    "picture-texts", files: { [FuzzFile("picture.png", $0)] },
    read: { input in
      let texts = try read(input)
      let image = try ImageDecoder.decode(input, limits: limits)
      let written = try PNGEncoder.encode(image, text: texts.entries(for: image))
      guard try read(written) == texts else {
        preconditionFailure("a picture tells something else than was written")
      }
    },
    change: { input, change in
      var texts = PNGTexts.read(input, keywords: Set(PictureTexts.keywords.dropLast()))
      guard !texts.isEmpty, !change.happens(onceIn: 8),
        let image = try? ImageDecoder.decode(input, limits: limits)
      else { return change.mutate(input, change.capacity) }
      let index = change.index(below: texts.count)
      let bytes = change.mutate(Array(texts[index].value.utf8), change.capacity / 2)
      texts[index].value = String(decoding: bytes.filter { $0 != 0 }, as: UTF8.self)
      texts.append((PictureTexts.keywords.last ?? "", PictureTexts.hash(texts, image)))
      let changed = try? PNGEncoder.encode(image, text: texts)
      return changed.flatMap { $0.count <= change.capacity ? $0 : nil } ?? input
    })

  private static let limits = ImageLimits(
    maximumPixels: 1 << 22, maximumFileBytes: 1 << 20, maximumMemoryBytes: 64 << 20)

  private static func read(_ input: [UInt8]) throws -> PictureTexts {
    try PictureTexts(png: input, name: "picture.png", limits: limits)
  }
}
