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
    ("VARVision", ["CImageIO", "CVARKernels", "VARSystem", "VARJSON"]),
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
    ("VAREvaluation", ["VARSystem", "VARJSON", "VARVision", "VARLite"]),
    (
      "VARForcedRun",
      ["VARSystem", "VARKernels", "VARVision", "VARModels", "VARLite", "VAREvaluation"]
    ),
    (
      "VARAccuracy",
      [
        "CVARKernels", "VARSystem", "VARKernels", "VARJSON", "VQ4Format", "VARVision", "VARModels",
        "VARLite", "VAREvaluation", "VARForcedRun",
      ]
    ),
    (
      "VARCalibration",
      [
        "CVARKernels", "VARSystem", "VARKernels", "VARJSON", "VQ4Format", "VARModels",
        "VARQuantization", "VARConversion", "VARLite", "VARForcedRun",
      ]
    ),
    (
      "VARCanaries",
      [
        "CVARKernels", "VARSystem", "VARKernels", "VARJSON", "VQ4Format", "VARVision", "VARModels",
        "VARLite", "VARForcedRun",
      ]
    ),
    (
      "VARRecipeSearch",
      [
        "VARSystem", "VARKernels", "VARJSON", "VQ4Format", "VARModels", "VARCheckpoint",
        "VARQuantization", "VARConversion", "VARLite", "VARForcedRun", "VARAccuracy",
        "VARCalibration",
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
    (
      "VARSharedCLI",
      ["CVARProgram", "VARSystem", "VARKernels", "VQ4Format", "VARLite", "ArgumentParser"]
    ),
    (
      "VARLiteCLI",
      [
        "CLineEditor", "CVARDemoModel", "VARSystem", "VARKernels", "VARJSON", "VQ4Format",
        "VARTokenizer", "VARVision", "VARModels", "VARLite", "VAREvaluation", "VARForcedRun",
        "VARAccuracy", "VARCanaries", "VARSharedCLI", "ArgumentParser",
      ]
    ),
    (
      "VARConvertCLI",
      [
        "VARSystem", "VARKernels", "VARJSON", "VQ4Format", "VARTokenizer", "VARModels",
        "VARCheckpoint", "VARQuantization", "VARConversion", "VARLite", "VAREvaluation",
        "VARForcedRun", "VARCalibration", "VARCanaries", "VARRecipeSearch", "VARSharedCLI",
        "ArgumentParser",
      ]
    ),
    (
      "VARBenchCLI",
      [
        "VARSystem", "VARKernels", "VARJSON", "VQ4Format", "VARModels", "VARQuantization",
        "VARBench", "VARSharedCLI", "ArgumentParser",
      ]
    ),
    ("VARServer", ["VARSystem", "VARJSON", "VARModels", "VARLite"]),
    (
      "VARServerHTTP",
      [
        "VARServer", "HummingbirdCore", "NIOCore", "NIOPosix", "NIOHTTP1", "NIOExtras",
        "NIOHTTPTypes", "HTTPTypes", "Logging",
      ]
    ),
    (
      "VARServerCLI",
      [
        "CVARDemoModel", "VARSystem", "VARKernels", "VARJSON", "VARLite", "VARSharedCLI",
        "VARServer", "VARServerHTTP", "ArgumentParser",
      ]
    ),
  ]

  private static let cLibraries: Set = ["Glibc", "Musl", "Darwin"]

  /// The C library, and what comes with the language. Foundation would link 58 MB.
  static let everywhere = cLibraries.union(["Synchronization"])

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
    var known: Set = [
      "ArgumentParser", "HummingbirdCore", "NIOCore", "NIOPosix", "NIOHTTP1", "NIOExtras",
      "NIOHTTPTypes", "HTTPTypes", "Logging",
    ]
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

  /// What the manifest says that each target depends on.
  private static func declarations() throws -> [String: Set<String>] {
    let package = try #require(SourceTree.files.first { $0.path == "Package.swift" })
    let text = package.lines.filter { !$0.contains("// ") }.joined(separator: "\n")
    var declarations: [String: Set<String>] = [:]
    for part in text.split(separator: "arget(", omittingEmptySubsequences: false).dropFirst() {
      let words = part.split(separator: "\"", omittingEmptySubsequences: false)
      let name = try #require(words.count > 1 ? words[1] : nil)
      guard let start = part.firstRange(of: "dependencies: [") else {
        declarations[String(name)] = []
        continue
      }
      let list = part[start.upperBound...].prefix { $0 != "]" }
        .split(separator: "\"", omittingEmptySubsequences: false)
      declarations[String(name)] = Set(
        stride(from: 1, to: list.count, by: 2)
          .filter { !list[$0 - 1].hasSuffix("package: ") }.map { String(list[$0]) })
    }
    return declarations
  }

  @Test func theManifestDeclaresWhatTheTableAllows() throws {
    let declarations = try Self.declarations()
    for (target, mayImport) in Self.table {
      let declared = declarations[target] ?? []
      #expect(declared == mayImport, "\(target)")
    }
  }

  /// A target that is not declared may be built later than the one that imports it, or not be there.
  @Test func whatIsImportedIsDeclaredAndTheOtherWayRound() throws {
    var imported: [String: Set<String>] = [:]
    for file in SourceTree.files where file.isSwift && !file.path.hasSuffix("Package.swift") {
      for (_, code) in file.code {
        guard let module = Self.module(code), !Self.everywhere.contains(module) else { continue }
        imported[file.target, default: []].insert(module)
      }
    }
    let declarations = try Self.declarations()
    #expect(declarations.count > 40)
    for (target, modules) in imported {
      let declared = try #require(declarations[target], "\(target)")
      let missing = modules.subtracting(declared).subtracting(["Testing"])
      #expect(missing.isEmpty, "\(target) imports and does not declare \(missing)")
      // Programs that tests start, and files that lie beside a program, are not imported.
      let unused = declared.subtracting(modules)
        .filter { !$0.hasSuffix("CLI") && $0 != "CVARDemoModel" }
      #expect(unused.isEmpty, "\(target) declares and does not import \(unused)")
    }
  }

  /// Programs have what only a program does: its end, its signals, its terminal, its environment.
  @Test func onlyTheSystemsLibraryCallsTheCLibrary() {
    for file in SourceTree.files(below: "Sources") where file.isSwift {
      for (number, code) in file.code {
        #expect(!code.contains("@_exported"), "\(file.path):\(number): exports another module")
        guard let module = Self.module(code), Self.cLibraries.contains(module) else { continue }
        #expect(
          file.target == "VARSystem" || file.target.hasSuffix("CLI"),
          "\(file.path):\(number): call the system through VARSystem")
      }
    }
  }

  @Test func runtimeNeverLinksTheConverter() {
    let converter: Set = ["VARCheckpoint", "VARQuantization", "VARConversion"]
    for target in ["VARLite", "VARLiteCLI", "VARModels", "VARVision", "VARTokenizer"] {
      #expect(Self.rows[target].map { $0.isDisjoint(with: converter) } == true)
    }
  }
}
