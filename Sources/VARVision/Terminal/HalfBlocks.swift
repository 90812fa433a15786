extension TerminalPicture {
  /// A row of characters for two rows of pixels: the upper half of a character has the colour of the text, the lower
  /// one that of its background (ECMA-48, 8.3.117; 24 bits of colour as in ISO/IEC 8613-6).
  ///
  /// - Parameter image: has an even number of rows.
  package static func blocks(_ image: RGBImage, hasTrueColour: Bool) -> String {
    func pixel(_ x: Int, _ y: Int) -> [UInt8] {
      let start = (y * image.width + x) * 3
      return Array(image.pixels[start..<start + 3])
    }
    var lines: [String] = []
    for y in stride(from: 0, to: image.height - 1, by: 2) {
      var line = ""
      var last: (text: String, background: String) = ("", "")
      for x in 0..<image.width {
        let text = colour(pixel(x, y), hasTrueColour)
        let background = colour(pixel(x, y + 1), hasTrueColour)
        if text != last.text { line += "\u{1b}[38;\(text)m" }
        if background != last.background { line += "\u{1b}[48;\(background)m" }
        last = (text, background)
        line += "\u{2580}"
      }
      lines.append(line + "\u{1b}[0m")
    }
    return lines.joined(separator: "\r\n")
  }

  private static func colour(_ pixel: [UInt8], _ hasTrueColour: Bool) -> String {
    hasTrueColour
      ? "2;\(pixel[0]);\(pixel[1]);\(pixel[2])" : "5;\(indexed(pixel.map { Int($0) }))"
  }

  /// Levels of the cube that the colours 16 to 231 of xterm are; 232 to 255 are greys from 8 on in steps of 10.
  private static let levels = [0, 95, 135, 175, 215, 255]

  /// The nearest of xterm's 256 colours that every terminal shows alike.
  package static func indexed(_ pixel: [Int]) -> Int {
    func distance(_ other: [Int]) -> Int {
      zip(pixel, other).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    }
    let places = pixel.map { value in
      levels.indices.min { abs(levels[$0] - value) < abs(levels[$1] - value) } ?? 0
    }
    let mean = pixel.reduce(0, +) / 3
    let grey = max(0, min(23, (mean - 3) / 10))
    let greyLevel = 8 + 10 * grey
    let isGrey = distance([greyLevel, greyLevel, greyLevel]) < distance(places.map { levels[$0] })
    return isGrey ? 232 + grey : 16 + 36 * places[0] + 6 * places[1] + places[2]
  }
}
