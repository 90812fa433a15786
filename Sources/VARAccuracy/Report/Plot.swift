/// Plots as SVG.
enum Plot {
  struct Bar {
    let label: String
    let value: Double
    /// Standard error.
    let error: Double?
    /// Shown when a pointer rests on the bar.
    let title: String
  }

  private static let (width, height) = (720.0, 160.0)
  private static let (left, bottom) = (64.0, 18.0)

  /// Bars from zero to the largest.
  ///
  /// - Parameter text: of the largest, for the axis.
  static func bars(_ bars: [Bar], text: (Double) -> String) -> String {
    let largest = bars.map { $0.value + ($0.error ?? 0) }.max() ?? 0
    guard largest > 0 else { return HTML.tag("p", "All are zero.") }
    let step = (width - left) / Double(bars.count)
    func y(_ value: Double) -> Double { (height - bottom) * (1 - value / largest) + 4 }
    var shapes = axis(y(0), y(largest), zero: "0", top: text(largest))
    for (index, bar) in bars.enumerated() {
      let x = left + (Double(index) + 0.1) * step
      shapes += "<g><title>\(HTML.escaped(bar.title))</title>"
      shapes +=
        "<rect class=\"bar\" x=\"\(short(x))\" y=\"\(short(y(bar.value)))\" "
        + "width=\"\(short(step * 0.8))\" height=\"\(short(y(0) - y(bar.value)))\"/>"
      if let error = bar.error {
        let middle = short(x + step * 0.4)
        shapes +=
          "<line class=\"error\" x1=\"\(middle)\" x2=\"\(middle)\" "
          + "y1=\"\(short(y(bar.value + error)))\" y2=\"\(short(y(max(0, bar.value - error))))\"/>"
      }
      if !bar.label.isEmpty {
        shapes +=
          "<text text-anchor=\"middle\" x=\"\(short(x + step * 0.4))\" y=\"\(height + 2)\">"
          + "\(HTML.escaped(bar.label))</text>"
      }
      shapes += "</g>\n"
    }
    return svg(shapes, height: height + 8)
  }

  /// A square of numbers for each scale, the larger the darker; all with the same measure.
  ///
  /// - Parameter maps: the numbers of each scale, row by row; a scale is drawn as wide as its root says.
  static func maps(_ maps: [[Double]]) -> String {
    let largest = maps.joined().max() ?? 0
    guard largest > 0 else { return HTML.tag("p", "All are zero.") }
    let side = min(120, width / Double(maps.count) - 8)
    var shapes = ""
    for (index, map) in maps.enumerated() {
      let columns = max(1, Int(Double(map.count).squareRoot().rounded(.up)))
      let cell = side / Double(columns)
      let x = Double(index) * (side + 8)
      for (token, value) in map.enumerated() {
        let (row, column) = (token / columns, token % columns)
        shapes +=
          "<rect x=\"\(short(x + Double(column) * cell))\" y=\"\(short(Double(row) * cell))\" "
          + "width=\"\(short(cell))\" height=\"\(short(cell))\" fill=\"#3b7ddd\" "
          + "fill-opacity=\"\(short(0.04 + 0.96 * (value / largest).squareRoot()))\">"
          + "<title>\(Figure.nats(value))</title></rect>\n"
      }
      shapes += "<text x=\"\(short(x))\" y=\"\(short(side + 13))\">\(index + 1)</text>\n"
    }
    return svg(shapes, height: side + 18)
  }

  private static func axis(_ zero: Double, _ top: Double, zero label: String, top other: String)
    -> String
  {
    "<line class=\"axis\" x1=\"\(left)\" x2=\"\(width)\" y1=\"\(zero)\" y2=\"\(zero)\"/>\n"
      + [(zero, label), (top + 8, other)].map {
        "<text text-anchor=\"end\" x=\"\(left - 6)\" y=\"\(short($0.0))\">\($0.1)</text>\n"
      }.joined()
  }

  private static func svg(_ shapes: String, height: Double) -> String {
    "<svg viewBox=\"0 0 \(short(width)) \(short(height))\" role=\"img\">\n\(shapes)</svg>\n"
  }

  /// Four significant digits are more than a screen shows.
  private static func short(_ value: Double) -> String {
    guard abs(value) >= 1e-6 else { return "0" }
    var unit = 1.0
    while abs(value) * unit < 1000, unit < 1e9 { unit *= 10 }
    return "\((value * unit).rounded() / unit)"
  }
}
