import Testing
import VARJSON
import VARTestSupport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The two programs, and the reference checkpoint that `varconvert` made a model of.
enum Programs {
  typealias Result = ProgramRunner.Result

  /// What the programs end with.
  enum Status {
    static let done: Int32 = 0
    static let checkFailed: Int32 = 1
    static let usage: Int32 = 2
    static let badInput: Int32 = 3
    static let noResources: Int32 = 4
    static let interrupted: Int32 = 130
  }

  private nonisolated(unsafe) static var folder: TemporaryDirectory? = {
    atexit { Programs.folder = nil }
    return TemporaryDirectory()
  }()

  /// The reference checkpoint in f32, converted once for all tests.
  static let model = Swift.Result<String, any Error> { try converted("tiny.vq4", []) }

  /// The same without its map of colours, which takes most of the conversion's time.
  static let modelWithoutMap = Swift.Result<String, any Error> {
    try converted("plain.vq4", ["--no-preview-map"])
  }

  private static func converted(_ name: String, _ more: [String]) throws -> String {
    guard let folder else { throw FixtureError("the tests are over") }
    let result = try ProgramRunner.built("varconvert").run(
      [Fixtures.path("tiny"), "-o", folder.file(name), "--precision", "f32", "--quiet"] + more)
    guard result.status == 0 else { throw FixtureError(result.errorText) }
    return folder.file(name)
  }

  /// Runs `varlite` with the reference model.
  static func varlite(
    _ arguments: [String], input: String = "", interruptAt: String? = nil,
    outputLimit: Int? = nil
  ) throws -> Result {
    var runner = try ProgramRunner.built("varlite")
    runner.environment.append("VARLITE_MODEL=\(try model.get())")
    return try runner.run(
      arguments, input: Array(input.utf8), interruptAt: interruptAt, outputLimit: outputLimit)
  }

  /// Runs `varlite` with the reference model and bytes on standard input.
  static func varlite(_ arguments: [String], bytes: [UInt8]) throws -> Result {
    var runner = try ProgramRunner.built("varlite")
    runner.environment.append("VARLITE_MODEL=\(try model.get())")
    return try runner.run(arguments, input: bytes)
  }

  static func varconvert(_ arguments: [String]) throws -> Result {
    try ProgramRunner.built("varconvert").run(arguments)
  }

  /// Runs `varlite` in a shell, for limits and redirections; `$0` is the program.
  static func shell(_ script: String, _ arguments: [String]) throws -> Result {
    var runner = ProgramRunner(path: "/bin/sh")
    runner.environment.append("VARLITE_MODEL=\(try model.get())")
    let program = try ProgramRunner.built("varlite").path
    return try runner.run(["-c", script, program] + arguments)
  }

  static func picture(_ name: String) -> String { Fixtures.path("golden/inputs/\(name).png") }

  /// The model draws a picture for this text.
  static let redCircle = "Please paint a red circle."
}

/// Expects success; prints what the program said otherwise.
func expectDone(_ result: Programs.Result, _ location: SourceLocation = #_sourceLocation) {
  #expect(result.status == 0, "\(result.errorText)", sourceLocation: location)
}

/// Expects an exit code and one line on standard error that holds all of `parts`; a usage error may go on below.
func expectFailure(
  _ result: Programs.Result, _ status: Int32, _ parts: String...,
  location: SourceLocation = #_sourceLocation
) {
  #expect(result.status == status, "\(result.errorText)", sourceLocation: location)
  #expect(result.output.isEmpty, "\(result.text)", sourceLocation: location)
  let line = result.errorLines.first { $0.hasPrefix("Error: ") || $0.hasPrefix("varlite: ") } ?? ""
  for part in parts {
    #expect(line.contains(part), "\(result.errorText)", sourceLocation: location)
  }
  let told = result.errorLines.count { $0.hasPrefix("Error: ") || $0.hasPrefix("varlite: ") }
  #expect(told == 1, "\(result.errorText)", sourceLocation: location)
}

extension ProgramRunner.Result {
  /// Standard output as one JSON object and nothing else.
  func json(_ location: SourceLocation = #_sourceLocation) throws -> JSONValue {
    expectDone(self, location)
    #expect(text.hasSuffix("}\n"), "\(text)", sourceLocation: location)
    return try JSONValue(parsing: text)
  }
}
