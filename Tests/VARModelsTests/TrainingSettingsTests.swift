import Testing
import VARJSON
import VARModels
import VARTestSupport

/// `vargpt_gen.training`: what a model met in its training.
@Suite struct TrainingSettingsTests {
  private func configuration(_ training: String) throws -> VARGPTConfiguration {
    let text = ReleasedConfiguration.text
    let start = try #require(text.firstIndex(of: "{"))
    let extra = #""vargpt_gen": {"training": \#(training)}, "#
    return try VARGPTConfiguration(
      config: JSONValue(parsing: "{" + extra + text[text.index(after: start)...]))
  }

  @Test func sizesAreReadAndWritten() throws {
    let configuration = try configuration(#"{"sizes": [[96, 96], [48, 96]]}"#)
    #expect(
      configuration.training.sizes
        == [PixelSize(height: 96, width: 96), PixelSize(height: 48, width: 96)])
    #expect(try VARGPTConfiguration(config: configuration.json) == configuration)
    #expect(try ConfigurationDialect(configuration.json).unknownKeys == [])
    #expect(configuration.knows(GridSize(height: 3, width: 6)))
    #expect(!configuration.knows(GridSize(height: 6, width: 3)))
  }

  /// A file that says nothing knows everything.
  @Test(arguments: ["{}", "null", #"{"sizes": null}"#, #"{"sizes": []}"#, #"{"steps": 3}"#])
  func nothingMeansEverySize(training: String) throws {
    let configuration = try configuration(training)
    #expect(configuration.training.sizes.isEmpty)
    #expect(configuration.knows(GridSize(height: 6, width: 3)))
    #expect(try VARGPTConfiguration(config: configuration.json) == configuration)
  }

  @Test(arguments: [
    "3", "[96, 96]", "[[96]]", "[[96, 96, 1]]", "[[0, 96]]", "[[96, 16385]]", #"[["96", 96]]"#,
    "[[96.5, 96]]", #""96x96""#, "[" + String(repeating: "[1, 1], ", count: 256) + "[1, 1]]",
  ])
  func faultsNameTheKey(sizes: String) throws {
    #expect {
      try configuration(#"{"sizes": \#(sizes)}"#)
    } throws: {
      let error = $0 as? ConfigurationError
      return error?.code == .malformed && error?.key == "vargpt_gen.training.sizes"
    }
  }
}
