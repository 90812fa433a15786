import Testing
import VARTestSupport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// One call of the system fails, or does half of its work: the n-th read, write, open, mapping, thread, piece of
/// memory.
///
/// Whatever fails, the program ends with a documented exit code and one line, and leaves no file that is wrong. Where
/// it ends well in spite of the fault, its output is that of a run without one. `Tests/faults/run` tries hundreds
/// of calls of each kind, here some are tried.
@Suite(.enabled(if: FaultyCalls.isAvailable, "\(FaultyCalls.need)")) struct InjectedFaultTests {
  /// Something that a program does, and the file that comes of it.
  struct Scenario: Sendable, CustomStringConvertible {
    let name: String
    let program: String
    let arguments: [String]
    let output: String
    /// Names that may stay beside the output where the program fails.
    var leftovers: [String] = []
    /// Names that may stay beside the output where it ends well.
    var besides: [String] = []
    /// What the program goes on with.
    var resumes = false
    /// Whether a prompt cache may stand beside the output, and does so before.
    var promptCache: (mayBe: Bool, isThere: Bool) = (false, false)
    /// What the program finds, as another scenario leaves it.
    var finds: String?

    var description: String { name }

    static let cache = "a.cache"

    static let all: [Scenario] = {
      let model = Fixtures.path("../../Sources/CVARDemoModel/Resources/shapes.vq4")
      let draw = [
        "generate", "a small blue star on the left", "-m", model, "-o", "a.png", "--quiet",
        "--threads", "2", "--residency",
      ]
      let convert = [
        Fixtures.path("tiny"), "-o", "a.vq4", "--quiet", "--threads", "1", "--layout", "map",
      ]
      return [
        Scenario(
          name: "convert", program: "varconvert", arguments: convert, output: "a.vq4",
          leftovers: ["a.vq4.journal", "a.vq4.partial"]),
        Scenario(
          name: "resume", program: "varconvert", arguments: convert + ["--resume"],
          output: "a.vq4", leftovers: ["a.vq4.journal", "a.vq4.partial"], resumes: true),
        Scenario(
          name: "repack", program: "varlite",
          arguments: ["repack", model, "-o", "a.vq4", "--layout", "compact", "--quiet"],
          output: "a.vq4"),
        Scenario(
          name: "map", program: "varlite", arguments: draw + ["map"], output: "a.png"),
        Scenario(
          name: "load", program: "varlite", arguments: draw + ["load"], output: "a.png"),
        Scenario(
          name: "stream", program: "varlite", arguments: draw + ["stream"], output: "a.png"),
        Scenario(
          name: "new prompt cache", program: "varlite",
          arguments: draw + ["map", "--prompt-cache", cache], output: "a.png", leftovers: [cache],
          promptCache: (true, false)),
        Scenario(
          name: "prompt cache", program: "varlite",
          arguments: draw + ["map", "--prompt-cache", cache], output: "a.png", leftovers: [cache],
          promptCache: (true, true)),
        Scenario(
          name: "checkpoint", program: "varlite",
          arguments: draw + ["map", "--checkpoint", "a.state"], output: "a.png",
          leftovers: ["a.state"], besides: ["a.state"]),
        Scenario(
          name: "preview", program: "varlite",
          arguments: draw + ["map", "--preview", "b.png"], output: "a.png",
          leftovers: ["b.png"], besides: ["b.png"]),
        Scenario(
          name: "resume drawing", program: "varlite",
          arguments: draw + ["map", "--resume-from", "a.state"], output: "a.png",
          leftovers: ["a.state"], besides: ["a.state"], finds: "checkpoint"),
        Scenario(
          name: "repeat", program: "varlite",
          arguments: ["generate", "--like", "a.png"] + draw.dropFirst(2) + ["map"], output: "a.png",
          finds: "map"),
        Scenario(
          name: "list", program: "varlite",
          arguments: draw + ["map", "--count", "1", "--seed", "4"], output: "a-4.png"),
        Scenario(
          name: "list again", program: "varlite",
          arguments: draw + ["map", "--count", "1", "--seed", "4"], output: "a-4.png",
          finds: "list"),
      ]
    }()

    /// Runs the program in a folder.
    func run(in folder: TemporaryDirectory, _ environment: [String]) throws -> Programs.Result {
      var runner = ProgramRunner(path: "/bin/sh")
      runner.timeoutSeconds = 120
      // The shell itself is to have no faults.
      let script = #"cd "$1"; program=$2; faults=$3; shift 3; exec env $faults "$program" "$@""#
      let program = try ProgramRunner.built(program).path
      return try runner.run(
        ["-c", script, "sh", folder.path, program, environment.joined(separator: " ")] + arguments)
    }

    /// A folder as a run finds it.
    func folder(_ stopped: [String: [UInt8]]) -> TemporaryDirectory {
      let folder = TemporaryDirectory()
      for (name, bytes) in stopped { folder.write(name, bytes) }
      return folder
    }

    /// What stands beside the output before a run: nothing, or what a stopped conversion has left.
    func stopped() throws -> [String: [UInt8]] {
      let folder = TemporaryDirectory()
      if promptCache.isThere {
        expectDone(try run(in: folder, []))
        return [Self.cache: try Fixtures.readFile(folder.file(Self.cache))]
      }
      if let finds, let scenario = Self.all.first(where: { $0.name == finds }) {
        expectDone(try scenario.run(in: folder, []))
        return try Self.files(of: folder)
      }
      guard resumes else { return [:] }
      // Nothing is kept of a conversion that was too short to be worth it.
      let fault = FaultyCalls.Fault(call: "write", number: 300, code: ENOSPC)
      let result = try Self.all[0].run(
        in: folder, FaultyCalls.environment(fault) + ["FAULT_PAUSE=3000"])
      #expect(result.status == Programs.Status.noResources, "\(result.errorText)")
      #expect(folder.names() == leftovers)
      return try Self.files(of: folder)
    }

    private static func files(of folder: TemporaryDirectory) throws -> [String: [UInt8]] {
      try Dictionary(
        uniqueKeysWithValues: folder.names().map { ($0, try Fixtures.readFile(folder.file($0))) })
    }
  }

  /// Kinds of calls, and how they fail; 0 is half of the work.
  private static let kinds: [(call: String, codes: [Int32])] = [
    ("open", [EMFILE]), ("read", [EIO, 0]), ("write", [ENOSPC, 0]), ("fsync", [EIO]),
    ("rename", [EACCES]), ("mmap", [ENOMEM]), ("memory", [ENOMEM]), ("thread", [EAGAIN]),
  ]

  /// Hundreds of calls of each kind, where the environment asks for that.
  private static let triesMany = getenv("VARLITE_ALL_FAULTS") != nil

  private static func numbers(of count: Int) -> [Int] {
    guard !triesMany else {
      // Thousands of calls of a kind are alike: beyond some hundred, some hundred more, evenly.
      let step = max(1, (count - 300) / 300)
      return Array(1...max(1, min(count, 300)))
        + Array(stride(from: 300 + step, through: count, by: step))
    }
    return Array(Set([1, (count + 1) / 2, count])).sorted()
  }

  @Test(arguments: Scenario.all) func aFaultEndsWithALine(_ scenario: Scenario) throws {
    let stopped = try scenario.stopped()
    let folder = scenario.folder(stopped)
    let counts = folder.file("counts")
    expectDone(
      try scenario.run(in: folder, FaultyCalls.environment(countingTo: counts)))
    let expected = try Fixtures.readFile(folder.file(scenario.output))
    let lines = String(decoding: try Fixtures.readFile(counts), as: UTF8.self).split(
      separator: "\n")
    let calls = Dictionary(
      uniqueKeysWithValues: lines.map { line in
        let words = line.split(separator: " ")
        return (String(words[0]), Int(words[1]) ?? 0)
      })
    var tried = 0
    for (call, codes) in Self.kinds {
      let count = try #require(calls[call])
      for number in Self.numbers(of: count) where count > 0 {
        for code in codes {
          try expectCleanEnd(
            scenario, .init(call: call, number: number, code: code),
            in: scenario.folder(stopped), expected)
          tried += 1
        }
      }
    }
    if Self.triesMany { print("\(scenario): \(tried) faults, calls \(calls)") }
    #expect(tried > 10)
  }

  private func expectCleanEnd(
    _ scenario: Scenario, _ fault: FaultyCalls.Fault, in folder: TemporaryDirectory,
    _ expected: [UInt8]
  ) throws {
    let result = try scenario.run(in: folder, FaultyCalls.environment(fault))
    let place = "\(scenario): \(fault): exit code \(result.status), \(result.errorText)"
    var documented = [
      Programs.Status.done, Programs.Status.usage, Programs.Status.badInput,
      Programs.Status.noResources,
    ]
    if scenario.arguments.contains("--count") { documented.append(Programs.Status.checkFailed) }
    #expect(documented.contains(result.status), "\(place)")
    let names = folder.names()
    if names.contains(scenario.output) {
      #expect(try Fixtures.readFile(folder.file(scenario.output)) == expected, "\(place)")
    }
    guard result.status != 0 else {
      let others = names.filter { !scenario.promptCache.mayBe || $0 != Scenario.cache }
      #expect(Set(others).subtracting(scenario.besides) == [scenario.output], "\(place)")
      return
    }
    let told = result.errorLines.filter {
      $0.hasPrefix("\(scenario.program): ") || $0.hasPrefix("Error: ")
    }
    #expect(!told.isEmpty, "\(place)")
    // A complete file that could not get its name is kept where the line says.
    let kept = names.filter { $0.hasSuffix(".partial") && result.errorText.contains($0) }
    let known = Set(scenario.leftovers + kept + [scenario.output])
    #expect(Set(names).subtracting(known) == [], "\(place)")
    guard names.contains("a.vq4.journal") else { return }
    // What is left is good for going on.
    let resumed = try Scenario.all[1].run(in: folder, [])
    #expect(resumed.status == 0, "\(place)\(resumed.errorText)")
    #expect(try Fixtures.readFile(folder.file(scenario.output)) == expected, "\(place)")
  }
}
