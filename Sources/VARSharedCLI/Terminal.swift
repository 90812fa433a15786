#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The terminal that a descriptor leads to.
package enum Terminal {
  /// Columns of a terminal that does not tell its width.
  package static let defaultColumns = 80
  private static let defaultRows = 24

  /// How many columns the terminal has now.
  package static func columns(_ descriptor: Int32) -> Int {
    var size = winsize()
    guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else {
      return defaultColumns
    }
    return Int(size.ws_col)
  }

  /// Columns and rows of the terminal, and its pixels, 0 where it does not tell them.
  package static func size(
    _ descriptor: Int32
  ) -> (columns: Int, rows: Int, width: Int, height: Int) {
    var size = winsize()
    guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else {
      return (defaultColumns, defaultRows, 0, 0)
    }
    return (Int(size.ws_col), Int(size.ws_row), Int(size.ws_xpixel), Int(size.ws_ypixel))
  }

  /// The start of a text that stays on one line of the terminal; the last column stays free, so that no terminal wraps.
  package static func fitted(_ text: String, _ descriptor: Int32) -> String {
    String(text.prefix(max(1, columns(descriptor) - 1)))
  }
}
