import Testing
import VARJSON
import VARTestSupport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Several pictures of one run.
@Suite struct PictureListTests {
  private static let drawing = ["generate", Programs.redCircle, "--cfg-scale", "1"]

  /// Prompts with and without settings, and the command lines that draw the same.
  private static let prompts: [(line: String, arguments: [String])] = [
    ("a red circle", ["a red circle", "--seed", "3"]),
    (
      #"{"prompt": "Größe", "seed": "18446744073709551615", "tau": 2, "greedy": true}"#,
      ["Größe", "--seed", "18446744073709551615", "--tau", "2", "--greedy"]
    ),
    (
      #"{"prompt": "{", "fast": 2, "cfg_scale": 2.5, "size": 256, "force_image": true}"#,
      ["{", "--seed", "3", "--fast", "2", "--cfg-scale", "2.5", "--size", "256", "--force-image"]
    ),
    (
      #"{"prompt": "b", "aspect": "3:2", "pn": "0.06M", "top_p": 0.5, "guided_scales": 2}"#,
      [
        "b", "--seed", "3", "--aspect", "3:2", "--pn", "0.06M", "--top-p", "0.5",
        "--guided-scales", "2",
      ]
    ),
  ]

  private func files(_ folder: TemporaryDirectory) throws -> [String: [UInt8]] {
    let names = folder.names().filter { $0.hasSuffix(".png") }
    return try Dictionary(
      uniqueKeysWithValues: names.map { ($0, try Fixtures.readFile(folder.file($0))) })
  }

  private func list(_ folder: TemporaryDirectory) -> [String] {
    let lines = ["", Self.prompts[0].line, " \t"] + Self.prompts.dropFirst().map(\.line)
    folder.write("prompts.txt", lines.joined(separator: "\r\n"))
    return [
      "generate", "--prompts", folder.file("prompts.txt"), "-o", folder.file("a.b.png"), "--seed",
      "3", "--quiet",
    ]
  }

  @Test func aListDrawsWhatSingleRunsDo() throws {
    let folder = TemporaryDirectory()
    let list = list(folder)
    expectDone(try Programs.varlite(list))
    #expect(folder.names() == (0..<4).map { "a.b-\($0).png" } + ["prompts.txt"])
    let drawn = try files(folder)
    for (index, prompt) in Self.prompts.enumerated() {
      let single = folder.file("single.png")
      expectDone(
        try Programs.varlite(["generate"] + prompt.arguments + ["-o", single, "--quiet"]))
      #expect(try Fixtures.readFile(single) == drawn["a.b-\(index).png"], "\(prompt.line)")
    }
  }

  @Test func shardsShareAList() throws {
    let folder = TemporaryDirectory()
    let list = list(folder)
    for (shard, numbers) in [("1/3", [1]), ("0/3", [0, 1, 3]), ("2/3", [0, 1, 2, 3])] {
      expectDone(try Programs.varlite(list + ["--shard", shard]))
      #expect(folder.names().dropLast() == numbers.map { "a.b-\($0).png" }[...])
    }
  }

  @Test func whatIsDrawnIsLeftOutAndOtherPicturesAreErrors() throws {
    let folder = TemporaryDirectory()
    let list = list(folder)
    expectDone(try Programs.varlite(list + ["--shard", "0/2"]))
    let first = try files(folder)
    let json = try Programs.varlite(list + ["--json"]).json()
    #expect(json["drawn"]?.integerValue == 2 && json["skipped"]?.integerValue == 2)
    #expect(json["pictures"]?.arrayValue?.count == 4 && json["failed"]?.integerValue == 0)
    let all = try files(folder)
    #expect(first.allSatisfy { all[$0.key] == $0.value })
    // One has other settings, one is no picture, one is gone: the others are still drawn.
    folder.write("a.b-2.png", try Fixtures.readFile(folder.file("a.b-0.png")))
    folder.write("a.b-1.png", "notes")
    unlink(folder.file("a.b-3.png"))
    let again = try Programs.varlite(list)
    #expect(again.status == Programs.Status.checkFailed)
    #expect(again.errorLines.count == 2, "\(again.errorText)")
    #expect(again.errorText.contains("prompts.txt, line 4: \(folder.file("a.b-1.png")): is no PNG"))
    #expect(again.errorText.contains("line 5: \(folder.file("a.b-2.png")): is there and was drawn"))
    #expect(try files(folder)["a.b-3.png"] == all["a.b-3.png"])
    #expect(try Fixtures.readFile(folder.file("a.b-1.png")) == Array("notes".utf8))
  }

  @Test func aPictureThatFailsDoesNotStopTheOthers() throws {
    let folder = TemporaryDirectory()
    let lines = ["a <image>", #"{"prompt":"a","size":100}"#, "a red circle"]
    let output = folder.file("a.png")
    let bad = try Programs.varlite(
      ["generate", "--prompts", "-", "-o", output], input: lines.joined(separator: "\n"))
    expectFailure(
      bad, Programs.Status.badInput, "standard input, line 1: the text holds 1 <image> marks")
    let list = try Programs.varlite(
      ["generate", "--prompts", "-", "-o", output, "--quiet"],
      input: lines.dropFirst().joined(separator: "\n"))
    expectFailure(list, Programs.Status.checkFailed, "standard input, line 1: no size of 100 px")
    #expect(folder.names() == ["a-1.png"])
  }

  @Test(arguments: [
    ("", "holds no prompt"), ("{", "line 1: a key in double quotes"), ("a\n{}", "line 2: has no"),
    (#"{"prompt":1}"#, "has no \"prompt\""), (#"{"prompt":"a","sed":1}"#, "\"sed\" is no setting"),
    (#"{"prompt":"a","seed":-1}"#, "another kind"), (#"{"prompt":"a","tau":"1"}"#, "another kind"),
    (#"{"prompt":"a","tau":0}"#, "--tau is 0.001"), (#"{"prompt":"a","fast":3}"#, "another kind"),
    (#"{"prompt":"a","cfg_scale":101}"#, "--cfg-scale is 0"), (#"{"prompt":"  "}"#, "is empty"),
    (#"{"prompt":"a","aspect":"3"}"#, "--aspect is W:H"), (#"{"prompt":"a\u0000"}"#, "a NUL"),
    (#"{"prompt":"a","prompt":"b"}"#, "line 1: "), (#"{"prompt":"a","size":9e99}"#, "another kind"),
    (#"{"prompt":"a","size":256,"pn":"1M"}"#, "exclude"),
    (#"{"a\u001b":1,"prompt":""}"#, "u{1B}"),
  ])
  func aLineThatIsWrongIsToldBeforeTheWork(text: String, says: String) throws {
    let folder = TemporaryDirectory()
    folder.write("p.txt", text)
    let result = try Programs.varlite([
      "generate", "--prompts", folder.file("p.txt"), "-o", folder.file("a.png"),
    ])
    expectFailure(result, Programs.Status.badInput, "p.txt", says)
    #expect(folder.names() == ["p.txt"])
  }

  @Test func countsDrawSeedsAndVariations() throws {
    let folder = TemporaryDirectory()
    let output = folder.file("a.png")
    expectDone(try Programs.varlite(Self.drawing + ["--count", "2", "-s", "7", "-o", output]))
    #expect(folder.names() == ["a-7.png", "a-8.png"])
    expectDone(try Programs.varlite(Self.drawing + ["-s", "8", "-o", output]))
    #expect(try Fixtures.readFile(output) == Fixtures.readFile(folder.file("a-8.png")))
    let variations = [
      "generate", "--like", output, "--keep-scales", "3", "-s", "20", "--count", "2", "-o",
      folder.file("v"), "--quiet",
    ]
    expectDone(try Programs.varlite(variations))
    let first = try Fixtures.readFile(folder.file("v-21"))
    #expect(try first != Fixtures.readFile(folder.file("v-20")))
    let again = try Programs.varlite(variations.dropLast() + ["--json"]).json()
    #expect(again["skipped"]?.integerValue == 2)
    expectDone(
      try Programs.varlite([
        "generate", "--like", output, "--keep-scales", "3", "-s", "21", "-o", folder.file("w"),
      ]))
    #expect(try Fixtures.readFile(folder.file("w")) == first)
    expectFailure(
      try Programs.varlite(
        Self.drawing + ["--count", "2", "-s", "18446744073709551615", "-o", output]),
      Programs.Status.usage, "pass the largest")
  }

  @Test func editsComeInListsToo() throws {
    let folder = TemporaryDirectory()
    let edit = [
      "edit", "--prompts", "-", "-i", Programs.picture("scene_0"), "-o", folder.file("a.png"),
    ]
    let lines = "Make it blue.\nMake it <image> green.\n"
    expectDone(try Programs.varlite(edit + ["--count", "1"], input: lines))
    #expect(folder.names() == ["a-0-0.png", "a-1-0.png"])
    expectDone(try Programs.varlite(edit, input: lines))
    #expect(try Programs.varlite(edit + ["--json"], input: lines).json()["skipped"] == .integer(2))
    let other = edit.map { $0 == Programs.picture("scene_0") ? Programs.picture("scene_1") : $0 }
    let result = try Programs.varlite(other + ["--quiet"], input: lines)
    #expect(result.status == Programs.Status.checkFailed && result.errorLines.count == 2)
    #expect(result.errorText.contains("was drawn with other pictures"), "\(result.errorText)")
  }

  /// One that was stopped is drawn to its end when the list is started again.
  @Test func controlCEndsAList() throws {
    let folder = TemporaryDirectory()
    let drawing = Self.drawing + ["--size", "256", "--count", "3", "-o", folder.file("a.png")]
    let stopped = try Programs.varlite(drawing, interruptAt: "scale 5 of")
    #expect(stopped.status == Programs.Status.interrupted, "\(stopped.errorText)")
    #expect(folder.names() == ["a-0.png"])
    expectDone(try Programs.varlite(drawing))
    let single = folder.file("single.png")
    expectDone(try Programs.varlite(Self.drawing + ["--size", "256", "-o", single]))
    #expect(try Fixtures.readFile(single) == Fixtures.readFile(folder.file("a-0.png")))
  }

  @Test(arguments: KillMoment.all(of: 3)) func aKilledListGoesOn(_ moment: KillMoment) throws {
    let (undisturbed, killed) = (TemporaryDirectory(), TemporaryDirectory())
    let duration = try ContinuousClock().measure {
      expectDone(try Programs.varlite(self.list(undisturbed)))
    }
    let list = self.list(killed)
    _ = try moment.kill(list, lasting: duration)
    expectDone(try Programs.varlite(list))
    #expect(try files(killed) == files(undisturbed))
  }
}
