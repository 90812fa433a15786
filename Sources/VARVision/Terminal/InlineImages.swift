import VARSystem

extension TerminalPicture {
  /// Letters of base64 in one piece at most.
  private static let kittyPieceCount = 4096

  /// https://sw.kovidgoyal.net/kitty/graphics-protocol: `a=T` transmits and shows, `f=100` is PNG, `c` and `r` are the
  /// cells, `C=1` leaves the cursor where it is, `q=2` asks for no answer, and another picture of the same number `i`
  /// replaces the one before.
  package static func kitty(_ png: [UInt8], columns: Int, rows: Int) -> String {
    let data = Array(Base64.encode(png).utf8)
    var text = ""
    for start in stride(from: 0, to: max(data.count, 1), by: kittyPieceCount) {
      let piece = data[start..<min(start + kittyPieceCount, data.count)]
      let more = start + kittyPieceCount < data.count ? 1 : 0
      let keys = start == 0 ? "a=T,f=100,i=\(kittyNumber),c=\(columns),r=\(rows),C=1,q=2," : ""
      text += "\u{1b}_G\(keys)m=\(more);\(String(decoding: piece, as: UTF8.self))\u{1b}\\"
    }
    return text
  }

  /// Numbers of other programs are small or random.
  private static let kittyNumber = 7_630_954

  /// https://iterm2.com/documentation-images.html
  package static func iterm2(_ png: [UInt8], columns: Int, rows: Int) -> String {
    "\u{1b}]1337;File=inline=1;size=\(png.count);width=\(columns);height=\(rows)"
      + ";preserveAspectRatio=1:\(Base64.encode(png))\u{7}"
  }
}
