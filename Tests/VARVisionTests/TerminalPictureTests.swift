import Testing
import VARTestSupport
import VARVision

/// Pictures for terminals, byte by byte.
@Suite struct TerminalPictureTests {
  private static let black: [UInt8] = [0, 0, 0]
  private static let red: [UInt8] = [255, 0, 0]
  private static let yellow: [UInt8] = [255, 255, 0]
  private static let green: [UInt8] = [0, 255, 0]

  private static func image(_ rows: [[[UInt8]]]) -> RGBImage {
    RGBImage(width: rows[0].count, height: rows.count, pixels: Array(rows.joined().joined()))
  }

  /// The example of the VT330/VT340 manual, "HI" in yellow on green, as its pixels are: colours have the numbers of the
  /// palette here (yellow 36 * 5 + 6 * 5, green 6 * 5), and the second band, yellow alone, one row.
  @Test func sixelsAreThoseOfTheManual() {
    // ~ is six pixels, @ the first, v the first three and the fifth and sixth; } is all but the first, G the fourth.
    let columns = Array("~~@@vv@@~~@@~~").map { Int($0.asciiValue ?? 63) - 63 }
    var rows = (0..<6).map { row in
      columns.map { $0 >> row & 1 == 1 ? Self.yellow : Self.green }
    }
    rows.append([[UInt8]](repeating: Self.yellow, count: 14))
    let text = TerminalPicture.sixel(Self.image(rows))
    #expect(
      text == "\u{1b}P0;1q\"1;1;14;7#30;2;0;100;0#210;2;100;100;0"
        + "#30??}}GG}}??}}$#210~~@@vv@@~~@@~~-#210!14@\u{1b}\\")
  }

  @Test func sixelsOfOnePixel() {
    #expect(
      TerminalPicture.sixel(Self.image([[[51, 101, 255]]]))
        == "\u{1b}P0;1q\"1;1;1;1#53;2;20;40;100#53@\u{1b}\\")
  }

  /// Pieces of 4096 letters, all but the last with `m=1`, and keys with the first alone.
  @Test func kittyTakesPieces() {
    let short = TerminalPicture.kitty(Array("foobar".utf8), columns: 4, rows: 2)
    let keys = "a=T,f=100,i=7630954,c=4,r=2,C=1,q=2,"
    #expect(short == "\u{1b}_G\(keys)m=0;Zm9vYmFy\u{1b}\\")
    let bytes = [UInt8](repeating: 0, count: 3073)
    let long = TerminalPicture.kitty(bytes, columns: 4, rows: 2)
    let first = String(repeating: "A", count: 4096)
    #expect(long == "\u{1b}_G\(keys)m=1;\(first)\u{1b}\\\u{1b}_Gm=0;AA==\u{1b}\\")
    let exact = TerminalPicture.kitty(Array(bytes.dropLast()), columns: 4, rows: 2)
    #expect(exact == "\u{1b}_G\(keys)m=0;\(first)\u{1b}\\")
  }

  @Test func iterm2TakesAFile() {
    #expect(
      TerminalPicture.iterm2(Array("foob".utf8), columns: 12, rows: 6)
        == "\u{1b}]1337;File=inline=1;size=4;width=12;height=6;preserveAspectRatio=1:Zm9vYg==\u{7}")
  }

  @Test func blocksHoldTwoRowsEach() {
    let image = Self.image([
      [Self.red, Self.red, Self.green], [Self.black, Self.black, Self.black],
      [Self.yellow, Self.yellow, Self.yellow], [Self.red, Self.red, Self.red],
    ])
    #expect(
      TerminalPicture.blocks(image, hasTrueColour: true)
        == "\u{1b}[38;2;255;0;0m\u{1b}[48;2;0;0;0m▀▀\u{1b}[38;2;0;255;0m▀\u{1b}[0m\r\n"
        + "\u{1b}[38;2;255;255;0m\u{1b}[48;2;255;0;0m▀▀▀\u{1b}[0m")
    // 196 is 16 + 36 * 5, 46 is 16 + 6 * 5, 226 both, 16 black.
    #expect(
      TerminalPicture.blocks(image, hasTrueColour: false)
        == "\u{1b}[38;5;196m\u{1b}[48;5;16m▀▀\u{1b}[38;5;46m▀\u{1b}[0m\r\n"
        + "\u{1b}[38;5;226m\u{1b}[48;5;196m▀▀▀\u{1b}[0m")
  }

  @Test(arguments: [
    ([0, 0, 0], 16), ([255, 255, 255], 231), ([8, 8, 8], 232), ([127, 129, 128], 244),
    ([238, 238, 238], 255), ([95, 135, 175], 67), ([100, 140, 170], 67),
  ])
  func theNearestOf256Colours(pixel: [Int], index: Int) {
    #expect(TerminalPicture.indexed(pixel) == index)
  }

  @Test func picturesFitTheScreen() throws {
    for (width, height) in [(256, 256), (432, 144), (144, 432), (16, 16), (1, 300)] {
      let image = RGBImage(
        width: width, height: height, pixels: [UInt8](repeating: 7, count: width * height * 3))
      for (columns, rows) in [(80, 24), (31, 24), (200, 60), (31, 7), (12, 9)] {
        let screen = TerminalPicture.Screen(columns: columns, rows: rows)
        for format in TerminalPictureFormat.allCases {
          let picture = try #require(
            try TerminalPicture(image, as: format, on: screen, hasTrueColour: true))
          #expect(picture.columns < columns && picture.rows <= rows - 3)
          if format == .blocks {
            let lines = picture.text.split(separator: "\r\n")
            #expect(lines.count == picture.rows)
            #expect(lines.allSatisfy { $0.count(where: { $0 == "▀" }) == picture.columns })
          }
        }
      }
    }
    let small = TerminalPicture.Screen(columns: 5, rows: 24)
    let image = Self.image([[Self.red]])
    #expect(try TerminalPicture(image, as: .blocks, on: small, hasTrueColour: true) == nil)
  }

  @Test(
    arguments: [
      (["TERM": "xterm-256color"], TerminalPictureFormat.blocks), (["TERM": "xterm-kitty"], .kitty),
      (["TERM": "xterm-256color", "KITTY_WINDOW_ID": "1"], .kitty),
      (["TERM": "xterm-ghostty"], .kitty),
      (["TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"], .iterm2),
      (["TERM": "xterm-256color", "LC_TERMINAL": "iTerm2"], .iterm2),
      (["TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"], .iterm2),
      (["TERM": "foot-extra"], .sixel), (["TERM": "xterm-sixel"], .sixel),
      (["TERM": "screen-256color", "KITTY_WINDOW_ID": "1"], .blocks),
      (["TERM": "xterm-kitty", "TMUX": "/tmp/tmux"], .blocks),
      (["TERM": "xterm-256color", "TERM_PROGRAM": "vscode"], .blocks),
      (["TERM": "xterm-kitty", "NO_COLOR": "1"], nil),
      (["TERM": "xterm-kitty", "NO_COLOR": ""], .kitty),
      (["TERM": "dumb"], nil), ([:], nil),
    ] as [([String: String], TerminalPictureFormat?)])
  func theEnvironmentTellsTheFormat(_ variables: [String: String], format: TerminalPictureFormat?) {
    #expect(TerminalPictureFormat.detected { variables[$0] } == format)
  }
}
