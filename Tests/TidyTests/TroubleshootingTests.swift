import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The page of error texts quotes what the programs say. `VARLiteCLITests` provokes some of them.
@Suite struct TroubleshootingTests {
  private static let page = "Sources/VARLite/VARLite.docc/Troubleshooting.md"

  /// Words of the system and of the parser of command lines.
  private static let others: Set = [
    "Permission denied", "Read-only file system", "No space left on device",
    "No such file or directory", "Address already in use", "Cannot assign requested address",
    "Unknown option '", "'. Did you mean '", "Missing expected argument '--output <out.png>'",
  ]

  /// The texts of the sources, each line without its indent, and literals that go on in the next line as one.
  private static let sources = SourceTree.files(below: "Sources").map(text).joined(separator: "\n")

  private static func text(_ file: SourceFile) -> String {
    var text = ""
    for line in file.lines {
      let next = line.drop { $0 == " " }
      if next.hasPrefix("+ \""), text.hasSuffix("\"") {
        text.removeLast()
        text += next.dropFirst(3)
      } else if text.hasSuffix("\\") {
        text.removeLast()
        text += next
      } else {
        text += " " + next
      }
    }
    return text
  }

  /// `contains` of texts takes seconds for all of them.
  private static func isInSources(_ part: String) -> Bool {
    sources.withCString { sources in part.withCString { strstr(sources, $0) != nil } }
  }

  /// Between the places where a line has names and numbers.
  private static func fixedParts(_ quote: Substring) -> [String] {
    quote.split { "…;:(),\"".contains($0) }.map { part in
      let start = part.drop { $0 == " " }
      return String(start.dropLast(start.reversed().prefix { $0 == " " }.count))
    }
    .filter { $0.count > 4 && !others.contains($0) }
  }

  @Test func quotesAreWhatTheProgramsSay() throws {
    let text = try #require(SourceTree.text(Self.page))
    let quotes = text.split(separator: "\n").filter { $0.hasPrefix("| `") }
      .map { $0.split(separator: "`")[1] }
    #expect(quotes.count > 90)
    for quote in quotes {
      for part in Self.fixedParts(quote) {
        #expect(Self.isInSources(part), "\"\(part)\" of \"\(quote)\"")
      }
    }
  }
}
