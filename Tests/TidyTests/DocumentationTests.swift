import Testing

/// What the texts name exists.
@Suite struct DocumentationTests {
  private static let model = "Sources/VARModels/VARModels.docc/MODEL.md"
  private static let codeMap = "Sources/VARLite/VARLite.docc/CodeMap.md"
  private static let compared = "Sources/VARLite/VARLite.docc/Compared.md"
  private static let pages = [
    "README.md", model, "formats/vq4.md", "formats/packed_types.md",
    "formats/attachments.md", "formats/tensors.md", "formats/tokenizer_tables.md",
    "formats/sample.md", "Sources/VARLite/VARLite.docc/Converting.md",
    "Sources/VARLite/VARLite.docc/Memory.md", "Sources/VARLite/VARLite.docc/Measurements.md",
    "Sources/VARLite/VARLite.docc/Drawing.md", "Sources/VARLite/VARLite.docc/Serving.md", codeMap,
    "Sources/VARLite/VARLite.docc/Check.md", "Sources/VARLite/VARLite.docc/Troubleshooting.md",
    compared, "Sources/VARLite/VARLite.docc/Accuracy.md",
  ]

  private func text(_ path: String) throws -> String {
    try #require(SourceTree.text(path), "\(path)")
  }

  @Test(arguments: pages) func linksLeadSomewhere(page: String) throws {
    let folder = page.lastIndex(of: "/").map { String(page[...$0]) } ?? ""
    for part in try text(page).split(separator: "](").dropFirst() {
      let target = part.prefix { $0 != ")" && $0 != "#" }
      guard !target.isEmpty, !target.contains("://") else { continue }
      #expect(SourceTree.exists(folder + target), "\(page) links to \(target)")
    }
  }

  /// A path may leave out `Sources/`, and the target that the paragraph is about. `Painter` is the README's example.
  @Test(arguments: pages) func namedFilesExist(page: String) throws {
    let files = Set(SourceTree.files.map(\.path))
    var count = 0
    for (index, name) in try text(page).split(separator: "`").enumerated() where index % 2 == 1 {
      guard name.hasSuffix(".swift") || name.hasSuffix(".c") || name.hasSuffix(".h"),
        !name.contains("*"), !name.contains(" "), !name.hasPrefix("Sources/Painter/")
      else { continue }
      count += 1
      #expect(
        files.contains { $0 == name || $0.hasSuffix("/" + name) }, "\(page) names \(name)")
    }
    if page == Self.codeMap { #expect(count > 20) }
  }

  /// Figures that were measured stand on the page that has their commands, others lead to where they are from.
  @Test func comparedFiguresHaveSources() throws {
    let measurements = try text("Sources/VARLite/VARLite.docc/Measurements.md")
    var counts = (measured: 0, published: 0)
    for line in try text(Self.compared).split(separator: "\n") where line.hasPrefix("| ") {
      let cells = line.split(separator: "|").map { $0.drop { $0 == " " } }
      guard let source = cells.last(where: { !$0.isEmpty }) else { continue }
      if source.hasPrefix("[published](https://") { counts.published += 1 }
      guard source.hasPrefix("measured") else { continue }
      for cell in cells.dropFirst() {
        // A figure has a point, a comma, or more than two digits.
        for figure in cell.matches(of: /[0-9]+[.,][0-9]+|[0-9]{3,}/).map(\.output) {
          counts.measured += 1
          #expect(measurements.contains(figure), "\(figure) of \(line)")
        }
      }
    }
    #expect(counts.measured > 20 && counts.published > 10)
  }

  /// The table of recipes has the columns and rows that its script prints.
  @Test func recipesAreTheScripts() throws {
    let page = try text("Sources/VARLite/VARLite.docc/Accuracy.md").split(separator: "\n")
    let script = try text("Tests/accuracy/table.py")
    let headings = try #require(script.firstMatch(of: /HEADINGS = "(.*)"/)?.1)
    let recipes = try #require(script.firstMatch(of: /RECIPES = \["(.*)"\]/)?.1)
    let columns = Set(headings.split(separator: ", "))
    let start = try #require(page.firstIndex { $0.hasPrefix("| recipe | ") })
    let found = page[start].split(separator: "|").map { $0.dropFirst().dropLast() }
    #expect(found.count > 6 && found.allSatisfy(columns.contains), "\(found)")
    let rows = page[(start + 2)...].prefix { $0.hasPrefix("| ") }
    let names = recipes.split(separator: "\", \"").flatMap { recipe in
      ["\(recipe), nearest", "\(recipe), calibrated"]
        + (recipe == "int8" ? [] : ["**\(recipe), calibrated for it**"])
    }
    #expect(rows.map { String($0.split(separator: "|")[0].dropFirst().dropLast()) } == names)
  }

  /// Tests and messages cite a rule by its number: each number stands before one rule.
  @Test func rulesAreNumberedOnce() throws {
    var pages: [String: String] = [:]
    for page in Self.pages where page.hasPrefix("formats/") {
      for line in try text(page).split(separator: "\n") {
        let words = line.drop { $0 == " " || $0 == "-" || $0 == "|" }
        guard let rule = words.prefixMatch(of: /\*\*([A-Z0-9]+-[0-9]+)\*\*/)?.1 else { continue }
        let other = pages.updateValue(page, forKey: String(rule))
        #expect(other == nil, "\(rule) stands in \(page) and in \(other ?? "")")
      }
    }
    #expect(pages.count > 50)
  }

  /// Comments cite `MODEL.md` as (MODEL 9.2, 11).
  @Test func citedSectionsExist() throws {
    let headings = try text(Self.model).split(separator: "\n").filter { $0.hasPrefix("##") }
    let sections = Set(
      headings.map { heading in
        let number = heading.drop { $0 == "#" || $0 == " " }.prefix { $0.isNumber || $0 == "." }
        return String(number.last == "." ? number.dropLast() : number)
      })
    var count = 0
    for file in SourceTree.files where file.target != "TidyTests" {
      for line in file.lines {
        for part in line.split(separator: "(MODEL ").dropFirst() {
          for section in part.prefix(while: { $0 != ")" }).split(separator: ",") {
            let section = String(section.filter { $0 != " " })
            count += 1
            #expect(sections.contains(section), "\(file.path) cites section \(section)")
          }
        }
      }
    }
    #expect(count > 20)
  }
}
