/// How a terminal takes pictures.
package enum TerminalPictureFormat: String, Sendable, CaseIterable {
  /// The graphics protocol of kitty: PNG.
  case kitty
  /// Inline images of iTerm2: PNG.
  case iterm2
  /// Sixels, which DEC's terminals had first: 216 colours.
  case sixel
  /// Characters whose upper half is one pixel and whose lower half is another.
  case blocks
}

extension TerminalPictureFormat {
  /// The format that a terminal takes by what its environment says; nil where it takes none, or none is wanted.
  ///
  /// - Parameter variable: a variable of the environment by its name; nil where there is none.
  package static func detected(_ variable: (String) -> String?) -> TerminalPictureFormat? {
    let term = variable("TERM") ?? ""
    guard allowsColours(variable) else { return nil }
    // A multiplexer stands between: it passes on characters alone.
    guard variable("TMUX") == nil, !term.hasPrefix("screen"), !term.hasPrefix("tmux") else {
      return .blocks
    }
    let program = variable("TERM_PROGRAM") ?? ""
    let isKitty = variable("KITTY_WINDOW_ID") != nil || term == "xterm-kitty"
    if isKitty || term == "xterm-ghostty" || program == "ghostty" { return .kitty }
    let isITerm = program == "iTerm.app" || variable("LC_TERMINAL") == "iTerm2"
    if isITerm || program == "WezTerm" || program == "mintty" { return .iterm2 }
    let sixelTerminals = ["foot", "mlterm", "contour", "yaft"]
    if term.contains("sixel") || sixelTerminals.contains(where: term.hasPrefix) { return .sixel }
    return .blocks
  }

  /// Whether colours and cursor movements are understood, and wanted (https://no-color.org).
  package static func allowsColours(_ variable: (String) -> String?) -> Bool {
    let term = variable("TERM") ?? ""
    return term != "" && term != "dumb" && (variable("NO_COLOR") ?? "") == ""
  }
}

/// A picture as a terminal shows it, in a box of cells whose upper left corner is where the cursor stands.
package struct TerminalPicture: Sendable {
  /// A terminal's size; pixels are 0 where it does not tell them.
  package struct Screen: Sendable, Equatable {
    package let columns, rows: Int
    package let width, height: Int

    package init(columns: Int, rows: Int, width: Int = 0, height: Int = 0) {
      (self.columns, self.rows) = (columns, rows)
      (self.width, self.height) = (width, height)
    }

    /// Pixels of a cell. One that does not tell is taken as small, so that no picture passes its box.
    fileprivate var cell: (width: Int, height: Int) {
      guard columns > 0, rows > 0, width / max(columns, 1) > 0, height / max(rows, 1) > 0 else {
        return (5, 10)
      }
      return (width / columns, height / rows)
    }
  }

  /// Cells that it takes.
  package let columns, rows: Int
  /// What is sent: escape codes and characters.
  package let text: String

  /// Cells that a picture takes at most, and at least.
  private static let mostColumns = 40, mostRows = 16, leastRows = 3
  /// Rows that stay free for what is said below it.
  private static let freeRows = 3

  /// - Parameter hasTrueColour: whether the terminal shows 24 bits of colour; else 256 colours.
  /// - Returns: nil where there is no room.
  package init?(
    _ image: RGBImage, as format: TerminalPictureFormat, on screen: Screen, hasTrueColour: Bool
  ) throws(ImageError) {
    let (columnRoom, rowRoom) = (
      min(screen.columns - 1, Self.mostColumns), min(screen.rows - Self.freeRows, Self.mostRows)
    )
    guard columnRoom >= 2 * Self.leastRows, rowRoom >= Self.leastRows else { return nil }
    // A cell is about twice as high as wide.
    let byHeight = 2 * rowRoom * image.width / image.height
    columns = max(1, min(columnRoom, byHeight))
    rows = max(1, min(rowRoom, (columns * image.height + image.width) / (2 * image.width)))
    switch format {
    case .kitty:
      text = Self.kitty(try PNGEncoder.encode(image), columns: columns, rows: rows)
    case .iterm2:
      text = Self.iterm2(try PNGEncoder.encode(image), columns: columns, rows: rows)
    case .sixel:
      let cell = screen.cell
      let height = rows * cell.height
      let width = max(1, min(columns * cell.width, height * image.width / image.height))
      text = Self.sixel(image.resized(width: width, height: max(1, height)))
    case .blocks:
      text = Self.blocks(
        image.resized(width: columns, height: 2 * rows), hasTrueColour: hasTrueColour)
    }
  }
}
