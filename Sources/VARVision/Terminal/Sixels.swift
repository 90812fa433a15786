extension TerminalPicture {
  /// Levels of red, green and blue: their cube is the palette.
  private static let levelCount = 6

  /// DEC's sixels (VT330/VT340 Programmer Reference Manual, volume 2, chapter 14): bands of six rows, one colour after
  /// the other. A character holds six pixels one below the other, the upper one in the lowest bit.
  package static func sixel(_ image: RGBImage) -> String {
    let (width, height) = (image.width, image.height)
    let colours = image.pixels.withUnsafeBufferPointer { pixels in
      (0..<width * height).map { colour(pixels, at: $0 * 3) }
    }
    // A pixel is as high as wide; those of no colour stay as they are.
    var text = "\u{1b}P0;1q\"1;1;\(width);\(height)"
    for colour in Set(colours).sorted() {
      let parts = [colour / (levelCount * levelCount), colour / levelCount, colour]
      let percents = parts.map { $0 % levelCount * 100 / (levelCount - 1) }
      text += "#\(colour);2;\(percents[0]);\(percents[1]);\(percents[2])"
    }
    for top in stride(from: 0, to: height, by: 6) {
      if top > 0 { text += "-" }
      text += band(colours[(top * width)..<(min(top + 6, height) * width)], width: width)
    }
    return text + "\u{1b}\\"
  }

  private static func colour(_ pixels: UnsafeBufferPointer<UInt8>, at index: Int) -> Int {
    (0..<3).reduce(0) { colour, channel in
      colour * levelCount + (Int(pixels[index + channel]) * (levelCount - 1) + 127) / 255
    }
  }

  private static func band(_ colours: ArraySlice<Int>, width: Int) -> String {
    let first = colours.startIndex
    var lines: [String] = []
    for colour in Set(colours).sorted() {
      var sixels: [UInt8] = []
      for x in 0..<width {
        var bits: UInt8 = 0
        for (row, index) in stride(from: first + x, to: colours.endIndex, by: width).enumerated()
        where colours[index] == colour {
          bits |= 1 << UInt8(row)
        }
        sixels.append(63 + bits)
      }
      lines.append("#\(colour)" + runs(sixels))
    }
    // Back to the beginning of the band for each further colour.
    return lines.joined(separator: "$")
  }

  /// Four and more of the same are said once, with their number; empty ones at the end not at all.
  private static func runs(_ sixels: [UInt8]) -> String {
    var text: [UInt8] = []
    var rest = sixels[...]
    while let last = rest.last, last == 63 { rest.removeLast() }
    while let sixel = rest.first {
      let count = rest.prefix { $0 == sixel }.count
      if count > 3 {
        text += Array("!\(count)".utf8) + [sixel]
      } else {
        text += [UInt8](repeating: sixel, count: count)
      }
      rest = rest.dropFirst(count)
    }
    return String(decoding: text, as: UTF8.self)
  }
}
