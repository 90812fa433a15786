import Testing
import VARJSON
import VARKernels
import VARTestSupport

/// A model of 300 MB in bf16 within budgets of memory, each time from an evicted page cache: the results are the same
/// bytes, and the process takes what the plan says.
@Suite(.serialized) struct MemoryTests {
  /// A residency, and where the budget lies between the least that runs and what holds all weights.
  struct Budget: Sendable, CustomTestStringConvertible {
    let residency: String
    var share = 1.0
    var testDescription: String { "\(residency) \(share)" }
  }

  static let budgets = [
    Budget(residency: "load"), Budget(residency: "stream", share: 0.4),
  ]
  static let limitedBudgets = [
    Budget(residency: "map"), Budget(residency: "stream", share: 0),
  ]

  static let needsGroups: Comment = "this system lets the tests make no control group with a limit"

  private static let drawing = ["--size", "256", "--force-image"]
  private static let largeDrawing = ["--size", "512", "--force-image"]
  /// The same to `varlite plan`.
  private static func request(_ drawing: [String]) -> [String] {
    ["--task", "generate", "--prompt-tokens", "66"] + drawing
  }
  /// What the program has before a request differs a little from run to run.
  private static let spreadBytes = 1 << 20

  private func integer(_ json: JSONValue, _ keys: String...) throws -> Int {
    let value = keys.reduce(Optional(json)) { $0?[$1] }
    return try #require(value?.integerValue, "\(keys) in \(json.text)")
  }

  private func plan(_ residency: String, _ request: [String]) throws -> JSONValue {
    try Programs.varlite(
      ["plan", MidSizeModel.path.get(), "--json", "--residency", residency] + request
    ).json()
  }

  /// The budget in bytes for a request that `varlite plan` describes.
  private func bytes(_ budget: Budget, _ request: [String]) throws -> Int {
    switch budget.residency {
    case "map": return try integer(plan("map", request), "peak_bytes") + Self.spreadBytes
    case "load": return try integer(plan("load", request), "peak_bytes") + Self.spreadBytes
    default:
      let stream = try plan("stream", request)
      let least = try integer(stream, "minimum_bytes")
      let most = try integer(stream, "peak_bytes")
      return least + Int(Double(most - least) * budget.share) + Self.spreadBytes
    }
  }

  /// Compares what was planned with what was taken: all of it where nothing is mapped, else what cannot be dropped.
  private func checkMemory(_ json: JSONValue, _ result: Programs.Result) throws {
    let isMapped = json["memory"]?["residency"]?.stringValue == "map"
    let planned = try integer(
      json, "memory", isMapped ? "planned_anonymous_bytes" : "planned_peak_bytes")
    let measured =
      isMapped
      ? try #require(result.peakAnonymousBytes) : try integer(json, "memory", "peak_bytes")
    let share = Double(measured) / Double(planned)
    #expect(share > 0.95 && share < 1.02, "\(measured) bytes taken, \(planned) planned")
  }

  // MARK: Pictures

  /// The picture, and what the program says of it.
  ///
  /// - Parameters:
  ///   - drawing: flags of what is drawn.
  ///   - isNamed: whether `--ram` names the budget.
  ///   - reserveBytes: by how much the hard limit is above the budget; nil: there is none.
  private func draw(
    _ budget: Budget, _ drawing: [String] = Self.drawing, isNamed: Bool = true,
    reserveBytes: ((Int) -> Int)? = nil
  ) throws -> (picture: [UInt8], json: JSONValue) {
    let granted = try bytes(budget, Self.request(drawing))
    let folder = TemporaryDirectory()
    let output = folder.file("a.png")
    let result = try MidSizeModel.varlite(
      ["generate", "A house.", "--seed", "5", "--json", "-o", output] + drawing
        + ["--residency", budget.residency] + (isNamed ? ["--ram", "\(granted)"] : []),
      limitBytes: reserveBytes.map { granted + $0(granted) })
    let json = try result.json()
    try checkMemory(json, result)
    return (try Fixtures.readFile(output), json)
  }

  private static let reference = Swift.Result<[UInt8], any Error> {
    try MemoryTests().draw(Budget(residency: "map")).picture
  }

  @Test(arguments: budgets)
  func picturesFitTheirPlan(budget: Budget) throws {
    let (picture, _) = try draw(budget)
    #expect(try picture == Self.reference.get())
  }

  @Test(.enabled(if: MemoryGroup.isPermitted, MemoryTests.needsGroups), arguments: limitedBudgets)
  func picturesFitAHardLimit(budget: Budget) throws {
    let (picture, json) = try draw(budget) { $0 / 8 }
    #expect(try picture == Self.reference.get())
    #expect(json["memory"]?["residency"]?.stringValue == budget.residency)
  }

  /// Of a larger picture values take more than weights.
  @Test(.enabled(if: MemoryGroup.isPermitted, MemoryTests.needsGroups))
  func aLargePictureFitsAHardLimit() throws {
    let (_, json) = try draw(Budget(residency: "stream", share: 0), Self.largeDrawing) { $0 / 8 }
    #expect(json["memory"]?["residency"]?.stringValue == "stream")
  }

  /// Without a budget the limit of the control group is seen, and some of it left to others.
  @Test(.enabled(if: MemoryGroup.isPermitted, MemoryTests.needsGroups))
  func aHardLimitIsABudget() throws {
    let budget = Budget(residency: "automatic", share: 0.5)
    let (picture, json) = try draw(budget, isNamed: false) { _ in 64 << 20 }
    #expect(try picture == Self.reference.get())
    #expect(json["memory"]?["residency"]?.stringValue == "stream")
  }

  /// A limit that would hold nothing back would show nothing.
  @Test(.enabled(if: MemoryGroup.isPermitted, MemoryTests.needsGroups))
  func aHardLimitKillsWhatTakesMore() throws {
    let needed = try bytes(Budget(residency: "load"), Self.request(Self.drawing))
    let group = try #require(MemoryGroup(limitBytes: needed / 2))
    let folder = TemporaryDirectory()
    let result = try group.run(
      ProgramRunner.built("varlite"),
      [
        "generate", "A house.", "-m", MidSizeModel.path.get(), "-o", folder.file("a.png"),
        "--quiet", "--residency", "load", "--ram", "\(needed)",
      ] + Self.drawing)
    #expect(result.status == 128 + 9 && group.killCount == 1, "\(result.status)")
  }

  // MARK: Refusals

  /// Below what the plan asks for at least, the request is refused with the missing bytes and what would help; what
  /// helps is true.
  @Test func whatDoesNotFitIsRefusedWithNumbers() throws {
    let least = try integer(plan("stream", Self.request(Self.drawing)), "minimum_bytes")
    let folder = TemporaryDirectory()
    func draw(_ ram: String, _ residency: String) throws -> Programs.Result {
      try MidSizeModel.varlite(
        ["generate", "A house.", "--quiet", "-o", folder.file("a.png")] + Self.drawing
          + ["--residency", residency, "--ram", ram])
    }
    let small = "\(least / 2)"
    for residency in ["map", "load", "stream", "automatic"] {
      let refused = try draw(small, residency)
      expectFailure(
        refused, Programs.Status.noResources, "at least", "MiB", "short", "it fits with")
    }
    #expect(folder.names() == [])
    let text = try draw(small, "stream").errorText
    let words = text.split { " ,;\n".contains($0) }
    let flag = try #require(words.firstIndex(of: "--ram"), "\(text)")
    expectDone(try draw(String(words[flag + 1]), "stream"))
  }

  // MARK: Pictures that are looked at

  /// A picture of 512 px with the fastest kernels.
  @Test(arguments: ["map", "load", "stream"])
  func answersFitTheirPlan(residency: String) throws {
    let folder = TemporaryDirectory()
    try TestPicture.write(width: 512, height: 512, to: folder.file("a.png"))
    try checkAnswer(
      residency, .best, picture: folder.file("a.png"), size: "512x512", promptTokens: 80)
  }

  /// Threads take of their stacks what the kernels of an instruction set need. The picture is small, because the plain
  /// kernels are slow.
  @Test(arguments: InstructionSet.supported)
  func stacksAreInThePlan(isa: InstructionSet) throws {
    try checkAnswer(
      "map", isa, picture: Fixtures.path("shapes-golden/understand-0_input.png"), size: "112x112",
      promptTokens: 50, more: ["--max-pixels", "12544"])
  }

  /// A text about a picture, token by token.
  private func checkAnswer(
    _ residency: String, _ isa: InstructionSet, picture: String, size: String, promptTokens: Int,
    more: [String] = []
  ) throws {
    let request = [
      "--task", "understand", "--images", "1", "--image-size", size, "--prompt-tokens",
      "\(promptTokens)", "--max-tokens", "4", "--isa", isa.rawValue,
    ]
    let share = residency == "stream" ? 0.2 : 1
    let granted = try bytes(Budget(residency: residency, share: share), request)
    func answer(_ options: [String], limitBytes: Int?) throws -> (JSONValue, Programs.Result) {
      let result = try MidSizeModel.varlite(
        [
          "understand", "What is it?", "--max-tokens", "4", "--temperature", "0", "--json",
          "--image", picture,
        ] + more + options, limitBytes: limitBytes)
      return (try result.json(), result)
    }
    let (expected, _) = try answer(["--residency", "map"], limitBytes: nil)
    let (json, result) = try answer(
      ["--residency", residency, "--ram", "\(granted)", "--isa", isa.rawValue],
      limitBytes: MemoryGroup.isPermitted ? granted + granted / 8 : nil)
    try checkMemory(json, result)
    #expect(json["tokens"] == expected["tokens"] && json["tokens"]?.arrayValue?.count == 4)
  }
}
