import Testing

/// Targets form a strict one-way graph: each imports only what its row allows.
@Suite struct ImportTests {
  /// Bottom-up, in the order of `Package.swift`.
  static let table: [(target: String, mayImport: Set<String>)] = [
    ("CZstd", []),
    ("CXXHash", []),
    ("CPNG", []),
    ("CJPEG", []),
    ("CWebP", []),
    ("CZlib", []),
    ("CEdit", []),
    ("CLineEditor", ["CEdit"]),
    ("CImageIO", ["CPNG", "CJPEG", "CWebP", "CZlib"]),
    ("CVARKernels", []),
    ("CVARSystem", []),
    ("CVARProgram", []),
    ("CVARDemoModel", []),
    ("VARSystem", ["CVARSystem"]),
    ("VARKernels", ["CVARKernels", "VARSystem"]),
    ("VARJSON", []),
    ("VQ4Format", ["CZstd", "CXXHash", "VARSystem", "VARJSON"]),
    ("VARTokenizer", ["VARSystem", "VARJSON"]),
    ("VARVision", ["CImageIO", "VARSystem", "VARJSON"]),
    ("VARModels", ["CVARKernels", "VARSystem", "VARKernels", "VARJSON", "VQ4Format"]),
    ("VARCheckpoint", ["VARSystem", "VARJSON"]),
    ("VARQuantization", ["CVARKernels", "VARJSON"]),
    (
      "VARConversion",
      [
        "CVARKernels", "VARSystem", "VARKernels", "VARJSON", "VQ4Format", "VARTokenizer",
        "VARModels", "VARCheckpoint", "VARQuantization",
      ]
    ),
    (
      "VARLite",
      [
        "CVARKernels", "VARSystem", "VARKernels", "VARJSON", "VQ4Format", "VARTokenizer",
        "VARVision", "VARModels",
      ]
    ),
    ("CVARProbes", []),
    (
      "VARBench",
      [
        "CVARKernels", "VARSystem", "VARKernels", "VARJSON", "VQ4Format", "VARModels",
        "VARQuantization", "VARLite", "CVARProbes",
      ]
    ),
    ("VARSharedCLI", ["CVARProgram", "VARSystem", "VARKernels", "VQ4Format", "ArgumentParser"]),
    (
      "VARLiteCLI",
      [
        "CLineEditor", "CVARDemoModel", "VARSystem", "VARKernels", "VARJSON", "VQ4Format",
        "VARTokenizer", "VARVision", "VARModels", "VARLite", "VARSharedCLI", "ArgumentParser",
      ]
    ),
    (
      "VARConvertCLI",
      [
        "VARSystem", "VARKernels", "VARJSON", "VQ4Format", "VARTokenizer", "VARModels",
        "VARCheckpoint", "VARQuantization", "VARConversion", "VARSharedCLI", "ArgumentParser",
      ]
    ),
    (
      "VARBenchCLI",
      [
        "VARSystem", "VARKernels", "VARJSON", "VQ4Format", "VARModels", "VARQuantization",
        "VARBench", "VARSharedCLI", "ArgumentParser",
      ]
    ),
  ]

  /// The C library, and what comes with the language. Foundation would link 58 MB.
  static let everywhere: Set = ["Glibc", "Musl", "Darwin", "Synchronization"]

  private static let rows = Dictionary(
    uniqueKeysWithValues: table.map { ($0.target, $0.mayImport) })

  /// The module of an `import` line.
  static func module(_ code: String) -> String? {
    var words = code.split { $0 == " " || $0 == "." }[...]
    while let word = words.first, word.hasPrefix("@") || Self.levels.contains(String(word)) {
      words.removeFirst()
    }
    guard words.first == "import", words.count > 1 else { return nil }
    let second = String(words[words.startIndex + 1])
    let isKind = ["struct", "class", "enum", "func", "var", "let", "protocol", "typealias"]
      .contains(second)
    return isKind && words.count > 2 ? String(words[words.startIndex + 2]) : second
  }

  private static let levels: Set = ["public", "package", "internal", "fileprivate", "private"]

  @Test func importLinesAreUnderstood() {
    #expect(Self.module("import VARKernels") == "VARKernels")
    #expect(Self.module("  public import struct VARVision.RGBImage") == "VARVision")
    #expect(Self.module("@testable import Foundation") == "Foundation")
    #expect(Self.module("let import_count = 3") == nil)
  }

  @Test func everyImportIsAllowed() {
    for file in SourceTree.files(below: "Sources") where file.isSwift {
      guard let allowed = Self.rows[file.target] else {
        Issue.record("\(file.path): the target has no row in the table")
        continue
      }
      for (number, code) in file.code {
        guard let module = Self.module(code), !Self.everywhere.contains(module) else { continue }
        #expect(
          allowed.contains(module),
          "\(file.path):\(number): \(file.target) may not import \(module)")
      }
    }
  }

  @Test func theTableGoesOneWayAndMatchesThePackage() throws {
    var known: Set = ["ArgumentParser"]
    for (target, mayImport) in Self.table {
      #expect(mayImport.isSubset(of: known), "\(target) imports what stands below it")
      known.insert(target)
    }
    let package = try #require(SourceTree.files.first { $0.path == "Package.swift" })
    let words = package.lines.joined(separator: "\n").split(separator: "\"")
    // Targets and their dependencies stand in the manifest in the order of the table.
    let order = Self.table.map(\.target)
    let named = words.indices.dropFirst().filter { words[$0 - 1].hasSuffix("name: ") }
      .map { String(words[$0]) }
    var seen: [String] = []
    for name in named where order.contains(name) && !seen.contains(name) { seen.append(name) }
    #expect(seen.filter { $0 != "VARLite" } == order.filter { $0 != "VARLite" })
  }

  @Test func runtimeNeverLinksTheConverter() {
    let converter: Set = ["VARCheckpoint", "VARQuantization", "VARConversion"]
    for target in ["VARLite", "VARLiteCLI", "VARModels", "VARVision", "VARTokenizer"] {
      #expect(Self.rows[target].map { $0.isDisjoint(with: converter) } == true)
    }
  }
}
