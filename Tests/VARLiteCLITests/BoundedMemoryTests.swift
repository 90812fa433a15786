import Testing
import VARTestSupport
import VARVision
import VQ4Format

/// Under a hard limit no input makes a program take more than it was granted, or than its files are worth.
@Suite(
  .serialized,
  .enabled(if: MemoryGroup.isPermitted, "this system lets the tests make no control group"))
struct BoundedMemoryTests {
  /// Runs a program whose memory may not pass a limit; what would pass it is killed, and fails the test.
  private func run(
    _ arguments: [String], program: String = "varlite", within limitBytes: Int,
    environment: [String] = [], input: [UInt8] = []
  ) throws -> Programs.Result {
    let group = try #require(MemoryGroup(limitBytes: limitBytes))
    var runner = try ProgramRunner.built(program)
    runner.environment += environment
    let result = try group.run(runner, arguments, input: input)
    #expect(group.killCount == 0, "more than \(limitBytes) bytes: \(arguments)")
    return result
  }

  /// The same with a budget in MiB, which may be passed by 2 %.
  private func run(
    _ arguments: [String], ram: Int, environment: [String] = [], input: [UInt8] = []
  ) throws -> Programs.Result {
    try run(
      arguments + ["--ram", "\(ram)M"], within: (ram << 20) / 100 * 102,
      environment: environment, input: input)
  }

  /// What opening files may take, by the bytes of their tables and headers.
  private static func bound(_ byteCount: Int) -> Int { 64_000_000 + 12 * byteCount }

  // MARK: Pictures

  /// Photographs whose pixels are 17 MB; all of them together would not fit.
  private static let photos = ["--image", "a.jpg", "--image", "b.jpg", "--image", "a.jpg"]

  private func writePhotos(_ folder: TemporaryDirectory) {
    for name in ["a.jpg", "b.jpg"] {
      var photo = FlatJPEG(width: 2400, height: 2400)
      photo.sampling = 2
      (photo.upper, photo.lower) = ([60, 128, 128], [200, 128, 128])
      photo.isProgressive = name == "b.jpg"
      folder.write(name, photo.bytes)
    }
  }

  private func inFolder(_ folder: TemporaryDirectory, _ arguments: [String]) -> [String] {
    arguments.map { $0.hasSuffix(".jpg") || $0.hasSuffix(".png") ? folder.file($0) : $0 }
  }

  /// From what is not enough to what is: never more than granted, and every refusal says what helps.
  @Test func picturesStayWithinTheBudget() throws {
    let folder = TemporaryDirectory()
    writePhotos(folder)
    let question = ["understand", "What is it?", "--max-tokens", "2", "--quiet"] + Self.photos
    let roundTrip = ["reconstruct", "b.jpg", "-o", "out.png", "--quiet"]
    for arguments in [question, roundTrip] {
      var statuses: [Int32] = []
      for ram in stride(from: 36, through: 84, by: 16) {
        let result = try run(inFolder(folder, arguments), ram: ram)
        statuses.append(result.status)
        if result.status == 0 { continue }
        let isRefused = result.status == Programs.Status.noResources
        #expect(isRefused && result.errorText.contains("shrink the"), "\(ram): \(result.errorText)")
      }
      #expect(statuses.first == Programs.Status.noResources && statuses.last == 0, "\(statuses)")
      #expect(statuses == statuses.sorted(by: >), "\(statuses)")
    }
  }

  @Test func picturesOfAConversationAreDecodedOneByOne() throws {
    let folder = TemporaryDirectory()
    writePhotos(folder)
    let line = "/image \(folder.file("a.jpg"))\n"
    let text = String(repeating: line, count: 8) + "What is it?\n"
    let result = try run(
      ["chat", "--max-tokens", "2"], ram: 64, input: Array(text.utf8))
    expectDone(result)
    #expect(result.errorText.contains("2400x2400, picture 8 of the next turn"))
    #expect(!result.errorText.contains("short"), "\(result.errorText)")
  }

  /// libjpeg takes a limit from the environment, and calls a file damaged that does not fit it.
  @Test func aLimitOfTheEnvironmentDamagesNoFile() throws {
    let folder = TemporaryDirectory()
    writePhotos(folder)
    expectDone(
      try run(
        ["reconstruct", folder.file("b.jpg"), "-o", folder.file("out.png"), "--quiet"], ram: 96,
        environment: ["JPEGMEM=1"]))
  }

  @Test func pictureFilesLargerThanTheBudgetAreNotRead() throws {
    let folder = TemporaryDirectory()
    let bytes = [0xFF, 0xD8, 0xFF] + [UInt8](repeating: 0, count: 100 << 20)
    folder.write("a.jpg", bytes)
    let question = ["understand", "What is it?", "--quiet", "--image"]
    let result = try run(question + [folder.file("a.jpg")], ram: 64)
    expectFailure(
      result, Programs.Status.noResources, "a.jpg: the file alone takes 104857603 bytes")
    expectFailure(
      try run(question + ["-"], ram: 64, input: bytes), Programs.Status.noResources,
      "standard input: the file alone takes more than")
  }

  @Test func thereIsALimitOnPictures() throws {
    let images = Array(repeating: ["--image", "a.jpg"], count: 1001).flatMap(\.self)
    expectFailure(
      try Programs.varlite(["understand", "What is it?"] + images), Programs.Status.usage,
      "--image stands 1001 times; at most 1000")
  }

  // MARK: Text

  @Test func textsStayWithinTheBudget() throws {
    for word in ["x", "e\u{301}"] {
      let text = Array(String(repeating: word, count: (1 << 20) / word.utf8.count).utf8)
      for bytes in word == "x" ? [text, text + text] : [text] {
        for arguments in [["understand", "-", "--quiet"], ["chat", "--quiet"]].prefix(
          word == "x" ? 2 : 1)
        {
          let result = try run(arguments, ram: 64, input: bytes)
          #expect([0, 2].contains(result.status), "\(word): \(result.errorText)")
        }
        let result = try run(["tokenize", "-"], within: Self.bound(0), input: bytes)
        #expect(result.status == (bytes.count > 1 << 20 ? 2 : 0), "\(result.errorText)")
      }
    }
  }

  // MARK: Files

  /// A document of `byteCount` bytes that takes as much memory as may be.
  private static func brackets(_ byteCount: Int) -> [UInt8] {
    let element = "[[[[[[[[0]]]]]]]],"
    let text = "[" + String(repeating: element, count: (byteCount - 3) / element.utf8.count) + "0]"
    return Array(text.utf8)
  }

  @Test func modelFilesTakeWhatTheirTablesAreWorth() throws {
    let folder = TemporaryDirectory()
    let path = folder.file("a.vq4")
    let writer = try VQ4Writer(path: path, layout: .compact)
    let names = ["configuration", "generation_configuration", "image_preprocessing"]
    for name in names { try writer.addAttachment(name, Self.brackets(1 << 20)) }
    for name in ["licence", "more"] {
      try writer.addAttachment(name, [UInt8](repeating: 32, count: 5 << 19))
    }
    try writer.addAttachment("too_much", [UInt8](repeating: 32, count: 1 << 20))
    _ = try writer.finish()
    let limit = Self.bound(0)
    let info = try run(["info", path], within: limit)
    #expect(info.status == Programs.Status.badInput, "\(info.errorText)")
    for arguments in [
      ["verify", path], ["repack", path, "-o", folder.file("b.vq4"), "--layout", "map"],
    ] {
      let result = try run(arguments, within: limit)
      #expect(result.status == 0, "\(result.errorText)")
    }
  }

  /// Headers as large as they may be, and no larger than they may be within a small budget.
  @Test(arguments: [false, true]) func checkpointHeadersTakeWhatTheyAreWorth(isIndex: Bool) throws {
    let folder = TemporaryDirectory()
    let text = Array("{\"weight_map\":".utf8) + Self.brackets((16 << 20) - 32) + Array("}".utf8)
    if isIndex {
      folder.write("model.safetensors.index.json", text)
    } else {
      let length = withUnsafeBytes(of: UInt64(text.count).littleEndian) { Array($0) }
      folder.write("model.safetensors", length + text)
    }
    func plan(_ ram: String, within limitBytes: Int) throws -> Programs.Result {
      try run(
        ["plan", folder.path, "--ram", ram], program: "varconvert", within: limitBytes)
    }
    let refused = try plan("64M", within: (64 << 20) / 100 * 102)
    #expect(refused.status == Programs.Status.noResources, "\(refused.errorText)")
    #expect(refused.errorText.contains("--ram"), "\(refused.errorText)")
    let bad = try plan("1G", within: Self.bound(text.count))
    #expect(bad.status == Programs.Status.badInput, "\(bad.errorText)")
    #expect(bad.errorText.contains("too many values"), "\(bad.errorText)")
  }

  // MARK: Commands that measure and compare

  @Test func aPlanMeasuresWithinItsBudget() throws {
    for ram in [40, 64] {
      let result = try run(["plan"], ram: ram)
      #expect(result.status == 0, "\(result.errorText)")
    }
  }

  @Test func evaluationsTakeWhatTheyAreGranted() throws {
    let set = Fixtures.path("shapes-eval")
    let result = try run(["eval", set, "--quiet", "--limit", "1"], ram: 64)
    #expect(result.status == 0, "\(result.errorText)")
  }
}
