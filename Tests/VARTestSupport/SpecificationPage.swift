/// A text of `formats/`, whose tables the tests compare with the code.
public struct SpecificationPage {
  public let text: String

  public init(_ name: String) throws {
    let here = #filePath.split(separator: "/", omittingEmptySubsequences: false)
    let path = here.dropLast(3).joined(separator: "/") + "/formats/" + name
    text = String(decoding: try Fixtures.readFile(path), as: UTF8.self)
  }

  /// The cells of the table whose first column has this heading, without blanks and backquotes.
  ///
  /// Throws where no table has it, or more than one.
  public func rows(under heading: String) throws -> [[String]] {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    let starts = lines.indices.filter { lines[$0].hasPrefix("| \(heading) |") }
    guard starts.count == 1 else {
      throw FixtureError("\(starts.count) tables have the heading \"\(heading)\"")
    }
    return lines[(starts[0] + 2)...].prefix { $0.hasPrefix("|") }.map { line in
      line.dropFirst().dropLast().split(separator: "|", omittingEmptySubsequences: false)
        .map { cell in String(cell.filter { $0 != "`" }).trimmingBlanks }
    }
  }
}

extension String {
  fileprivate var trimmingBlanks: String {
    guard let first = firstIndex(where: { $0 != " " }), let last = lastIndex(where: { $0 != " " })
    else { return "" }
    return String(self[first...last])
  }
}
