import Testing
import VARKernels
import VARTestSupport

/// Bad usage: one clear line and exit code 2, before any work.
@Suite struct UsageTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let arguments: [String]
    let part: String
    init(_ arguments: String..., says part: String) {
      self.arguments = arguments
      self.part = part
    }
    var testDescription: String { arguments.joined(separator: " ") }
  }

  static let cases = [
    Case("frobnicate", says: "frobnicate"),
    Case("plan", "--images", "-1", says: "--images"),
    Case("repack", "-o", "b.vq4", "--layout", "map", says: "<file>"),
    Case("repack", "a.vq4", "-m", "a.vq4", "-o", "b.vq4", "--layout", "map", says: "twice"),
    Case("repack", "a.vq4", "-o", "b.vq4", says: "--layout"),
    Case("repack", "a.vq4", "-o", "b.vq4", "--layout", "zip", says: "--layout"),
    Case("generate", "a", "-o", "x.png", "--residency", "disk", says: "--residency"),
    Case("--frobnicate", says: "--frobnicate"),
    Case("generate", "-o", "x.png", says: "<prompt>"),
    Case("generate", "a", "-p", "b", "-o", "x.png", says: "prompt stands twice"),
    Case("edit", "a", "--prompt", "b", "-i", "b.png", "-o", "x.png", says: "instruction stands"),
    Case("edit", "-i", "b.png", "-o", "x.png", says: "<instruction>"),
    Case("understand", "a", "-p", "b", says: "question stands twice"),
    Case("generate", "a", "-o", "x.png", "--force-image", "--let-model-decide", says: "exclude"),
    Case("generate", "a", "-o", "x.png", "--quiet", "-v", says: "exclude"),
    Case("generate", "a", "-o", "x.png", "--preview", "p.png", "--no-preview", says: "exclude"),
    Case("generate", "a", "-o", "x.png", "--preview-terminal", "vt52", says: "--preview-terminal"),
    Case("edit", "a", "-i", "b.png", "-o", "x.png", "--preview-quality", "best", says: "-quality"),
    Case("info", "a.vq4", "-m", "b.vq4", says: "twice"),
    Case("verify", "a.vq4", "--model", "b.vq4", says: "twice"),
    Case("check", "a.vq4", "--model", "b.vq4", says: "twice"),
    Case("generate", "a", "-o", "x.png", "-s", "often", says: "often"),
    Case("generate", "a", "-o", "x.png", "-t", "0", says: "--threads"),
    Case("understand", "a", "-n", "0", says: "--max-tokens"),
    Case("generate", "a circle", says: "--output"),
    Case("generate", "a", "-o", "x.png", "--frobnicate", says: "--frobnicate"),
    Case("generate", "a", "-o", "x.png", "--ram", "1T", says: "--ram"),
    Case("generate", "a", "-o", "x.png", "--image", "b.png", says: "--image"),
    Case("generate", "a", "-o", "x.png", "--kv", "int4", says: "int4"),
    Case("generate", "a", "-o", "x.png", "--isa", "mmx", says: "mmx"),
    Case("generate", "a", "-o", "x.png", "--size", "256", "--pn", "0.06M", says: "--pn"),
    Case("generate", "a", "-o", "x.png", "--size", "many", says: "--size"),
    Case("generate", "a", "-o", "x.png", "--size", "100", says: "100 px"),
    Case("generate", "a", "-o", "x.png", "--size=-256", says: "-256"),
    Case("generate", "a", "-o", "x.png", "--pn", "2M", says: "0.06M, 0.25M, 0.60M, 1M"),
    Case("generate", "a", "-o", "x.png", "--aspect", "3", says: "--aspect"),
    Case("generate", "a", "-o", "x.png", "--aspect", "3:0", says: "--aspect"),
    Case("generate", "a", "-o", "x.png", "--aspect", "1:2:3", says: "--aspect"),
    Case("generate", "a", "-o", "x.png", "--aspect", "source", says: "edit"),
    Case("generate", "a", "-o", "x.png", "--cfg-scale", "nan", says: "--cfg-scale"),
    Case("generate", "a", "-o", "x.png", "--cfg-scale=-1", says: "--cfg-scale"),
    Case("generate", "a", "-o", "x.png", "--fast", "3", says: "--fast"),
    Case("generate", "a", "-o", "x.png", "--guided-scales", "0", says: "--guided-scales"),
    Case("generate", "a", "-o", "x.png", "--guided-scales", "99", says: "guided scales"),
    Case("generate", "a", "-o", "x.png", "--fast", "1", "--guided-scales", "2", says: "exclude"),
    Case("generate", "a", "-o", "x.png", "--fast", "2", "--dense-scales", "2", says: "exclude"),
    Case("generate", "a", "-o", "x.png", "--dense-scales", "0", says: "1 or more"),
    Case("generate", "a", "-o", "x.png", "--tau", "0", says: "--tau"),
    Case("generate", "a", "-o", "x.png", "--tau", "inf", says: "--tau"),
    Case("generate", "a", "-o", "x.png", "--top-p", "1.5", says: "--top-p"),
    Case("generate", "a", "-o", "x.png", "--seed=-2", says: "--seed"),
    Case("generate", "a", "-o", "x.png", "--seed", "18446744073709551616", says: "--seed"),
    Case("generate", "a", "-o", "x.png", "--threads", "0", says: "--threads"),
    Case("generate", "a", "-o", "x.png", "--max-pixels", "3", says: "--max-pixels"),
    Case(
      "generate", "a", "-o", "x.png", "--min-pixels", "9999", "--max-pixels", "999",
      says: "--min-pixels"),
    Case("generate", "a", "-o", "x.png", "--keep-scales", "2", "-s", "1", says: "--like"),
    Case("generate", "--like", "a.png", "-o", "x.png", "--keep-scales", "2", says: "new --seed"),
    Case(
      "generate", "--like", "a.png", "-o", "x.png", "--keep-scales", "-1", "-s", "1",
      says: "0 or more"),
    Case("generate", "--like", "a.png", "--resume-from", "b", "-o", "x.png", says: "exclude"),
    Case("generate", "--resume-from", "b", "-o", "x.png", says: "<prompt>"),
    Case("generate", "a", "-o", "x.png", "--count", "0", says: "--count is 1"),
    Case("generate", "a", "-o", "x.png", "--shard", "0/2", says: "--prompts"),
    Case("generate", "--prompts", "p", "-o", "x.png", "--shard", "2/2", says: "--shard"),
    Case("generate", "--prompts", "p", "-o", "x.png", "--shard", "1", says: "--shard"),
    Case("generate", "a", "--prompts", "p", "-o", "x.png", says: "prompt stands twice"),
    Case("generate", "--prompts", "p", "--like", "a.png", "-o", "x.png", says: "exclude"),
    Case("generate", "--prompts", "p", "-o", "x.jpg", says: "PNG files"),
    Case("generate", "a", "--count", "2", "-o", "-", says: "PNG files"),
    Case("generate", "a", "--count", "2", "-o", "x.png", "--checkpoint", "c", says: "one picture"),
    Case("generate", "a", "--count", "2", "-o", "x.png", "--trace", "t", says: "one picture"),
    Case("generate", "a", "--count", "2", "-o", "x.png", "--no-metadata", says: "one picture"),
    Case(
      "generate", "a", "--count", "2", "-o", "x.png", "--resume-from", "c", says: "one picture"),
    Case("edit", "--prompts", "-", "-i", "-", "-o", "x.png", says: "standard input is either"),
    Case("generate", "", "-o", "x.png", says: "empty"),
    Case("generate", " \n", "-o", "x.png", says: "empty"),
    Case("generate", "a", "-o", "", says: "output"),
    Case("generate", "a <image>", "-o", "x.png", says: "1 <image> marks for 0 pictures"),
    Case("generate", "a <|image_pad|>", "-o", "x.png", says: "placeholder"),
    Case("edit", "a", "-o", "x.png", says: "--image"),
    Case("understand", says: "question"),
    Case("understand", "", says: "empty"),
    Case("understand", "a", "-o", "x.png", says: "-o"),
    Case("understand", "a", "--max-tokens", "0", says: "--max-tokens"),
    Case("understand", "a", "--temperature=-1", says: "--temperature"),
    Case("understand", "a", "--top-p", "2", says: "--top-p"),
    Case("understand", "a", "--top-k=-1", says: "--top-k"),
    Case("understand", "a", "--repetition-penalty", "0", says: "--repetition-penalty"),
    Case("chat", "--json", says: "--json"),
    Case("chat", "--context", "3", says: "--context"),
    Case("chat", "--temperature", "nan", says: "--temperature"),
    Case("reconstruct", "a.png", says: "--output"),
    Case("verify", "a.vq4", "b.vq4", says: "b.vq4"),
    Case("info", "--frobnicate", says: "--frobnicate"),
  ]

  @Test(arguments: cases)
  func badUsageIsToldAndEndsWithTwo(_ test: Case) throws {
    expectFailure(try Programs.varlite(test.arguments), Programs.Status.usage, test.part)
  }

  static let converterCases = [
    Case("src", "-o", "m.vq4", "--precision", "int4", "--recipe", "f16", says: "exclude"),
    Case("src", "-o", "m.vq4", "--precision", "int5", says: "int5"),
    Case("src", "-o", "m.vq4", "--group-size", "48", says: "48"),
    Case("src", "-o", "m.vq4", "--layout", "heap", says: "heap"),
    Case("src", "-o", "m.vq4", "--ram", "0", says: "--ram"),
    Case("src", "-o", "m.vq4", "--threads", "0", says: "--threads"),
    Case("src", "-o", "m.vq4", "--frobnicate", says: "--frobnicate"),
    Case("src", says: "--output"),
    Case("check", "src", says: "model"),
  ]

  @Test(arguments: converterCases)
  func theConverterToo(_ test: Case) throws {
    let result = try Programs.varconvert(test.arguments)
    #expect(result.status == Programs.Status.usage)
    #expect(result.output.isEmpty)
    let line = result.errorLines.first ?? ""
    #expect(line.hasPrefix("Error: ") && line.contains(test.part), "\(result.errorText)")
  }

  @Test func instructionSetsOfOtherMachinesAreRefused() throws {
    #if arch(x86_64)
      let other = "neon"
    #else
      let other = "avx2"
    #endif
    expectFailure(
      try Programs.varlite(["generate", "a", "-o", "x.png", "--isa", other]),
      Programs.Status.usage, other, "scalar")
  }

  @Test(arguments: [["--help"], ["generate", "--help"], ["help", "tokenize"]])
  func helpGoesToStandardOutput(_ arguments: [String]) throws {
    let result = try Programs.varlite(arguments)
    expectDone(result)
    #expect(result.text.contains("USAGE: varlite"))
    #expect(result.errorOutput.isEmpty)
  }

  @Test(arguments: ["varlite", "varconvert", "varbench"])
  func noArgumentsAreAUsageError(_ program: String) throws {
    let result = try ProgramRunner.built(program).run([])
    #expect(result.status == Programs.Status.usage)
    #expect(result.output.isEmpty && result.errorText.contains("\(program) <su"))
  }

  /// One scheme: name, version of the package, instruction set in use, version of the file format.
  @Test(arguments: ["varlite", "varconvert", "varbench"])
  func versionNamesTheInstructionSetAndTheFormat(program: String) throws {
    let result = try ProgramRunner.built(program).run(["--version"])
    expectDone(result)
    let pattern =
      /(\w+) (\d+\.\d+\.\d+) \((scalar|avx2|avxvnni|avx512vnni|neon|dotprod|i8mm), vq4 1\.0\)\n/
    let match = try #require(result.text.wholeMatch(of: pattern), "\(result.text)")
    #expect(match.1 == program && match.2 == PackageVersion.text)
    #expect(match.3 == InstructionSet.best.rawValue)
  }

  @Test(arguments: [
    ("varlite", ["genrate", "a", "-o", "x.png"], "did you mean 'generate'?"),
    ("varlite", ["help", "undrestand"], "did you mean 'understand'?"),
    ("varlite", ["tok"], "did you mean 'tokenize'?"),
    ("varlite", ["EDIT"], "did you mean 'edit'?"),
    ("varlite", ["frobnicate"], "no command 'frobnicate'"),
    ("varbench", ["machin"], "did you mean 'machine'?"),
    ("varconvert", ["chekc", "src", "m.vq4"], "did you mean 'check'?"),
    ("varconvert", ["paln", "src"], "did you mean 'plan'?"),
  ])
  func unknownCommandsAreToldWithTheNearestAndAll(
    program: String, arguments: [String], part: String
  ) throws {
    let result = try ProgramRunner.built(program).run(arguments)
    #expect(result.status == Programs.Status.usage && result.output.isEmpty)
    #expect(result.errorLines.first?.contains(part) == true, "\(result.errorText)")
    let commands = [
      "varlite": ["generate, understand, edit", "eval"], "varbench": ["machine, gemm"],
      "varconvert": ["convert, plan, check"],
    ]
    for names in commands[program] ?? [] {
      #expect(result.errorText.contains(names), "\(result.errorText)")
    }
  }

  /// What is no command of the converter is a checkpoint, if there is one of that name or it looks like none.
  @Test func checkpointsMayHaveAnyName() throws {
    let folder = TemporaryDirectory()
    folder.makeDirectory("plans")
    for source in [folder.file("plans"), "/nowhere", "vargpt"] {
      let result = try Programs.varconvert([source, "-o", folder.file("m.vq4")])
      #expect(result.status == Programs.Status.badInput, "\(result.errorText)")
    }
  }

  /// A number below its range is told as one, not as a missing value.
  @Test(arguments: [
    ("generate", "--tau", "-1"), ("generate", "--cfg-scale", "-0.5"), ("generate", "--top-p", "-1"),
    ("understand", "--max-tokens", "-3"), ("understand", "--temperature", "-1"),
    ("understand", "--max-pixels", "-1"), ("understand", "--threads", "-2"),
    ("chat", "--context", "-64"), ("plan", "--images", "-1"), ("reconstruct", "--quality", "-1"),
  ])
  func negativeNumbersAreToldWithTheirRange(command: String, flag: String, value: String) throws {
    let output = ["generate", "reconstruct"].contains(command) ? ["-o", "-"] : []
    let text = ["chat", "plan"].contains(command) ? [] : ["text"]
    let result = try Programs.varlite([command] + text + output + [flag, value])
    #expect(result.status == Programs.Status.usage)
    #expect(result.errorLines.first?.hasPrefix("Error: \(flag) is ") == true, "\(result.errorText)")
    #expect(result.errorLines.first?.contains(value) == true, "\(result.errorText)")
  }

  @Test func modelsAreWrittenToFiles() throws {
    for result in [
      try Programs.varlite(["repack", Programs.model.get(), "--layout", "map", "-o", "-"]),
      try Programs.varconvert([Fixtures.path("tiny"), "-o", "-"]),
    ] {
      #expect(result.status == Programs.Status.usage && result.output.isEmpty)
      #expect(result.errorText.contains("standard output"), "\(result.errorText)")
    }
  }
}
