import Testing
import VARJSON
import VARTestSupport

/// Limits of the shell (`ulimit`): what fits is done, what does not is told, and nothing ends by a signal.
@Suite(.serialized) struct LimitTests {
  private static let prompt = "Draw a big red circle on the left on a mint background."

  /// Exit codes of SIGILL and SIGTRAP, by one of which a trap ends.
  private static let traps: Set<Int32> = [128 + 4, 128 + 5]

  /// Runs a program after `ulimit`s.
  private func run(
    _ limits: String, _ arguments: [String], program: String = "varlite", model: String? = nil
  ) throws -> Programs.Result {
    var runner = ProgramRunner(path: "/bin/sh")
    if let model { runner.environment.append("VARLITE_MODEL=\(model)") }
    let path = try ProgramRunner.built(program).path
    return try runner.run(["-c", "\(limits); exec \"$0\" \"$@\"", path] + arguments)
  }

  /// Bytes of address space that a program itself takes: below that the kernel ends it before a line of it, or of the
  /// loader, has run.
  private func imageByteCount(_ program: String) throws -> Int {
    let bytes = try Fixtures.readFile(ProgramRunner.built(program).path)
    func number(_ place: Int, _ size: Int) -> Int {
      (0..<size).reduce(0) { $0 | Int(bytes[place + $1]) << (8 * $1) }
    }
    // The program headers of a 64-bit ELF file: place, size and number, then of each type, address and size in memory.
    let (start, size, count) = (number(32, 8), number(54, 2), number(56, 2))
    let ends = (0..<count).map { start + $0 * size }.filter { number($0, 4) == 1 }.map {
      number($0 + 16, 8) + number($0 + 40, 8)
    }
    return try #require(ends.max())
  }

  /// The least limit, in MB, with which the system loads a program at all.
  private func leastLimit(_ flag: String, _ program: String) throws -> Int {
    var last: Int32 = 127
    let image = flag == "-v" ? try imageByteCount(program) : 0
    for megabytes in stride(from: 8, to: 400, by: 4) where megabytes * 1000 << 10 > image {
      let result = try run("ulimit \(flag) \(megabytes * 1000)", ["--help"], program: program)
      if result.status == 0 { return megabytes }
      // Below that the loader gives up, or there is no room to say anything. Within less than 100 kB between the two
      // it loads Swift's library, whose initializer finds no memory and traps, before a line of the program.
      let isLoaded = last == 127 && Self.traps.contains(result.status)
      #expect(
        result.status == 127 || result.status == 4 || isLoaded,
        "\(megabytes) MB: \(result.status)")
      last = result.status
    }
    throw FixtureError("\(program) does not start with 400 MB")
  }

  /// Up to the first limit with which a command succeeds it ends with exit code 4 and one line.
  private func sweep(_ flag: String, _ program: String, _ arguments: [String]) throws {
    let least = try leastLimit(flag, program)
    var refusalCount = 0
    for megabytes in stride(from: least, to: least + 400, by: 3) {
      let result = try run("ulimit \(flag) \(megabytes * 1000)", arguments, program: program)
      if result.status == 0 {
        #expect(refusalCount > 0, "the sweep begins too late")
        return
      }
      refusalCount += 1
      #expect(result.status == Programs.Status.noResources, "\(megabytes) MB: \(result.errorText)")
      #expect(result.errorLines.count == 1, "\(megabytes) MB: \(result.errorText)")
    }
    Issue.record("\(arguments) never succeeded")
  }

  @Test(arguments: ["automatic", "map", "load", "stream"])
  func noLimitOnAddressSpaceEndsADrawingByASignal(_ residency: String) throws {
    let folder = TemporaryDirectory()
    let arguments = [
      "generate", Self.prompt, "-o", folder.file("a.png"), "--quiet", "--threads", "2",
      "--residency", residency,
    ]
    try sweep("-v", "varlite", arguments)
    let limited = try Fixtures.readFile(folder.file("a.png"))
    expectDone(try run("true", arguments))
    #expect(try limited == Fixtures.readFile(folder.file("a.png")))
    #expect(folder.names() == ["a.png"])
  }

  @Test func noLimitOnDataEndsAnAnswerByASignal() throws {
    try sweep("-d", "varlite", ["understand", "What is a circle?", "--quiet", "--threads", "2"])
  }

  @Test func noLimitOnAddressSpaceEndsAConversionByASignal() throws {
    let folder = TemporaryDirectory()
    let output = folder.file("m.vq4")
    try sweep(
      "-v", "varconvert",
      [Fixtures.path("tiny"), "-o", output, "--quiet", "--precision", "f32", "--threads", "2"])
    #expect(try Fixtures.readFile(output) == Fixtures.readFile(Programs.model.get()))
    #expect(folder.names() == ["m.vq4"])
  }

  /// A large model under a limit that its file would fill alone.
  @Test(arguments: ["automatic", "stream"])
  func aFileLargerThanTheLimitIsStreamed(_ residency: String) throws {
    let folder = TemporaryDirectory()
    let model = try MidSizeModel.path.get()
    let limit = "ulimit -v \(try Fixtures.readFile(model).count / 1024)"
    let arguments = [
      "generate", "A house.", "--force-image", "--size", "256", "--json", "--threads", "2",
      "--residency", residency, "-o",
    ]
    let limited = try run(
      limit, arguments + [folder.file("a.png")], model: model
    ).json()
    #expect(limited["memory"]?["residency"]?.stringValue == "stream")
    #expect((try run("true", arguments + [folder.file("b.png")], model: model)).status == 0)
    #expect(
      try Fixtures.readFile(folder.file("a.png")) == Fixtures.readFile(folder.file("b.png")))
    let mapped = try run(
      limit,
      ["generate", "A house.", "--residency", "map", "-o", folder.file("c.png"), "--quiet"],
      model: model)
    expectFailure(mapped, Programs.Status.noResources, "short", "ulimit -v")
  }

  @Test(arguments: ["256", "unlimited"])
  func stacksDoNotDependOnTheShell(_ kilobytes: String) throws {
    let folder = TemporaryDirectory()
    let limit = "ulimit -s \(kilobytes)"
    let drawing = ["generate", Self.prompt, "--quiet", "--threads", "4", "-o"]
    expectDone(try run(limit, drawing + [folder.file("a.png")]))
    expectDone(try run("true", drawing + [folder.file("b.png")]))
    #expect(
      try Fixtures.readFile(folder.file("a.png")) == Fixtures.readFile(folder.file("b.png")))
    expectDone(
      try run(
        limit, ["understand", "What is in it?", "--quiet", "--image", folder.file("a.png")]))
    let conversion = [
      Fixtures.path("tiny"), "--no-preview-map", "--quiet", "--threads", "4", "--force", "-o",
    ]
    expectDone(try run(limit, conversion + [folder.file("m.vq4")], program: "varconvert"))
    expectDone(try run(limit, ["verify", folder.file("m.vq4"), "--quiet"]))
    expectDone(
      try run(
        limit,
        [
          "decode", "--shape", "tiny", "--size", "48", "--precision", "f32", "--threads", "4",
          "--repeats", "1", "--no-probes",
        ], program: "varbench"))
  }

  @Test func fewOpenFilesAreEnoughOrToldOf() throws {
    let folder = TemporaryDirectory()
    for count in 4...9 {
      for (program, arguments) in [
        ("varlite", ["generate", Self.prompt, "--quiet", "-o", folder.file("a.png")]),
        (
          "varconvert",
          [
            Fixtures.path("tiny"), "--no-preview-map", "--quiet", "--force", "-o",
            folder.file("m.vq4"),
          ]
        ),
      ] {
        let result = try run("ulimit -n \(count)", arguments, program: program)
        // The loader itself needs a file at a time.
        if result.status == 0 || result.status == 127 { continue }
        #expect(
          [Programs.Status.badInput, Programs.Status.noResources].contains(result.status),
          "\(count): \(result.errorText)")
        #expect(result.errorLines.first?.contains("Too many open files") == true)
        #expect(result.errorLines.first?.contains("ulimit -n") == true, "\(result.errorText)")
      }
    }
  }
}
