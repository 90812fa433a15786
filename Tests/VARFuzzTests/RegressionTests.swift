import Testing
import VARFuzzTargets
import VARTestSupport

/// What the fuzzers began with, and what they found, in the readers.
@Suite struct RegressionTests {
  /// Inputs of a target in a folder beside the fuzzers.
  private static func inputs(_ folder: String, _ target: FuzzTarget) -> [String] {
    let path = Fixtures.path("../fuzz/\(folder)/\(target.name)")
    return TemporaryDirectory.names(of: path).map { "\(path)/\($0)" }
  }

  /// A reader that traps ends the process.
  @Test(arguments: FuzzTarget.all.map(\.name)) func everyInputIsReadOrRefused(name: String) throws {
    let target = try #require(FuzzTarget.named(name))
    let seeds = Self.inputs("seeds", target)
    #expect(!seeds.isEmpty)
    var accepted = 0
    for path in seeds + Self.inputs("regressions", target) {
      let message = target.run(try Fixtures.readFile(path))
      if message == nil { accepted += 1 }
      #expect(message?.isEmpty != true, "\(path)")
      let isOneLine = message?.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F }
      #expect(isOneLine != false, "\(path)")
    }
    #expect(accepted > 0, "no input of \(name) is accepted")
  }

  /// Every folder of inputs is some target's.
  @Test(arguments: ["seeds", "regressions"]) func noInputIsForgotten(folder: String) {
    let names = TemporaryDirectory.names(of: Fixtures.path("../fuzz/\(folder)"))
    #expect(Set(names).isSubset(of: FuzzTarget.all.map(\.name)))
  }
}
