import VARSystem

/// Pieces of a page.
enum HTML {
  static let style = """
    :root { color-scheme: light dark; }
    body { font: 15px/1.45 system-ui, sans-serif; max-width: 64em; margin: 2em auto; padding: 0 1em; }
    table { border-collapse: collapse; margin: 1em 0; display: block; overflow-x: auto; }
    th, td { padding: .25em .8em; text-align: right; white-space: nowrap; border-bottom: 1px solid #8884; }
    th:first-child, td:first-child { text-align: left; white-space: normal; min-width: 6em; overflow-wrap: anywhere; }
    dt { font-weight: 600; } dd { margin: 0 0 .6em 1em; }
    svg { display: block; width: 100%; height: auto; margin: .6em 0; }
    svg text { fill: currentColor; font-size: 11px; } svg .axis { stroke: currentColor; }
    svg .bar { fill: #3b7ddd; } svg .error { stroke: currentColor; }
    img { max-width: 12em; image-rendering: auto; }
    """

  static func escaped(_ text: String) -> String {
    var result = ""
    for character in text.unicodeScalars {
      switch character {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      default: result.unicodeScalars.append(character)
      }
    }
    return result
  }

  static func tag(_ name: String, _ content: String) -> String {
    "<\(name)>\(content)</\(name)>\n"
  }

  /// - Parameter rows: cells that are HTML already.
  static func table(_ rows: [[String]], hasHeader: Bool = false) -> String {
    guard !rows.isEmpty else { return "" }
    let lines = rows.enumerated().map { index, cells in
      let name = hasHeader && index == 0 ? "th" : "td"
      return "<tr>" + cells.map { "<\(name)>\($0)</\(name)>" }.joined() + "</tr>\n"
    }
    return tag("table", "\n" + lines.joined())
  }

  static func image(_ png: [UInt8]) -> String {
    "<img alt=\"\" src=\"data:image/png;base64,\(Base64.encode(png))\">"
  }
}
