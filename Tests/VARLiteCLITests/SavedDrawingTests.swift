import Testing
import VARTestSupport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Drawings that are stored, gone on with, repeated and varied.
@Suite struct SavedDrawingTests {
  private static let drawing = ["generate", Programs.redCircle, "--quiet"]

  private func draw(_ arguments: [String], to path: String) throws -> [UInt8] {
    expectDone(try Programs.varlite(arguments + ["-o", path]))
    return try Fixtures.readFile(path)
  }

  /// Killed at a scale, or at any time, in every residency.
  @Test(arguments: KillMoment.all(of: 4)) func aKilledDrawingGoesOn(_ moment: KillMoment) throws {
    let folder = TemporaryDirectory()
    let (output, state) = (folder.file("a.png"), folder.file("state"))
    let residency = ["map", "load", "stream"][moment.number % 3]
    let drawing = [
      "generate", Programs.redCircle, "--size", "256", "--seed", "9", "--tau", "2", "--residency",
      residency, "--ram", "512M",
    ]
    var whole: [UInt8] = []
    let duration = try ContinuousClock().measure {
      whole = try draw(drawing + ["--quiet"], to: folder.file("whole.png"))
    }
    _ = try moment.kill(drawing + ["-o", output, "--checkpoint", state], lasting: duration)
    guard folder.names().contains("state") else { return }
    let resumed = ["generate", Programs.redCircle, "--resume-from", state, "--checkpoint", state]
    #expect(try draw(resumed + ["--quiet"], to: output) == whole)
    let left = folder.names().filter { $0.hasSuffix(".partial") }
    #expect(left.count <= 1, "\(left)")
  }

  @Test func aDrawingIsRepeatedFromItsPictureAlone() throws {
    let folder = TemporaryDirectory()
    let (first, again) = (folder.file("a.png"), folder.file("b.png"))
    for (index, settings) in [
      [], ["--fast", "2", "--seed", "18446744073709551615"],
      ["--force-image", "--greedy", "--kv", "int8", "--aspect", "3:2", "--size", "256"],
      ["--system", "Größe <|im_end|>", "--cfg-scale", "1", "--tau", "0.25", "--top-p", "0.6"],
      ["--guided-scales", "2", "--dense-scales", "3", "--residency", "stream"],
    ].enumerated() {
      let whole = try draw(Self.drawing + settings, to: first)
      #expect(
        try draw(["generate", "--like", first, "--quiet", "-t", "1"], to: again) == whole,
        "case \(index)")
    }
    let scene = Programs.picture("scene_0")
    let edit = ["--quiet", "-i", scene, "-i", Programs.picture("scene_1")]
    let asked = ["edit", "Mix <image> and <image>.", "--max-pixels", "12544", "--seed", "4"]
    let whole = try draw(asked + edit, to: first)
    #expect(try draw(["edit", "--like", first] + edit, to: again) == whole)
    let swapped = ["-i", Programs.picture("scene_1"), "-i", scene]
    expectFailure(
      try Programs.varlite(["edit", "--like", first, "-o", again] + swapped),
      Programs.Status.usage, "picture 1 is not the one")
    expectFailure(
      try Programs.varlite(["edit", "--like", first, "-o", again, "-i", scene]),
      Programs.Status.usage, "2 pictures to change, not 1")
    expectFailure(
      try Programs.varlite(["generate", "--like", first, "-o", again]), Programs.Status.usage,
      "it takes edit")
  }

  /// The kept scales' bits are the same, the others are not, whichever way the drawing is named.
  @Test func variationsShareTheKeptScales() throws {
    let folder = TemporaryDirectory()
    let (first, state) = (folder.file("a.png"), folder.file("state"))
    let whole = try draw(Self.drawing + ["--tau", "3", "--checkpoint", state], to: first)
    func bits(_ arguments: [String], _ name: String) throws -> (png: [UInt8], bits: [[Int]]) {
      let (trace, path) = (folder.file("trace.safetensors"), folder.file(name))
      let png = try draw(arguments + ["--trace", trace, "--quiet"], to: path)
      let file = try SafetensorsFile(path: trace)
      return (png, try (0..<5).map { try file.integers("s\($0).bits") })
    }
    let own = try bits(["generate", "--like", first], "own.png").bits
    for kept in 0...5 {
      let variation = ["--keep-scales", "\(kept)", "--seed", "8"]
      let like = try bits(["generate", "--like", first] + variation, "like.png")
      let resumed = try bits(
        ["generate", Programs.redCircle, "--resume-from", state] + variation, "resumed.png")
      #expect(like.png == resumed.png && like.bits == resumed.bits)
      #expect(like.bits.prefix(kept) == own.prefix(kept))
      if kept < 5 { #expect(like.bits != own && like.png != whole) }
      #expect(
        try draw(["generate", "--like", folder.file("like.png"), "--quiet"], to: first + ".png")
          == like.png)
    }
  }

  @Test func whatDiffersIsNamed() throws {
    let folder = TemporaryDirectory()
    let (first, state) = (folder.file("a.png"), folder.file("state"))
    _ = try draw(Self.drawing + ["--checkpoint", state], to: first)
    for (settings, says) in [
      (["--seed", "1"], "seed 0, not 1"), (["--cfg-scale", "7"], "cfg scale 3.0, not 7.0"),
      (["--tau", "3"], "tau 0.5, not 3.0"), (["--top-p", "0.5"], "top-p 0.97, not 0.5"),
      (["--greedy"], "greedy false, not true"), (["--kv", "int8"], "keys and values in f32"),
      (["--size", "256"], "size 128x128, not 256x256"), (["--fast", "1"], "guided scales 5, not"),
      (["--dense-scales", "2"], "dense scales 5, not 2"), (["--force-image"], "words before it"),
    ] {
      let result = try Programs.varlite(
        ["generate", Programs.redCircle, "--resume-from", state, "-o", folder.file("b.png")]
          + settings)
      expectFailure(result, Programs.Status.usage, "state: was drawn with \(says)")
      guard settings[0] != "--seed" else { continue }
      expectFailure(
        try Programs.varlite(["generate", "--like", first, "-o", first] + settings),
        Programs.Status.usage, "a.png: was drawn with \(says)")
    }
    for (arguments, says) in [
      (["--like", first, "a blue circle"], "the prompt \"\(Programs.redCircle)\""),
      (["--like", first, "--system", "Be quick."], "no --system"),
      (["--like", first, "--max-pixels", "12544"], "no --max-pixels"),
      (["--resume-from", state, "a blue circle"], "another prompt"),
      (["--resume-from", state, Programs.redCircle, "--system", "Be quick."], "system message"),
      (["--like", first, "-m", DemoModel.path], "another model"),
      (["--resume-from", state, "a", "-m", DemoModel.path], "another model"),
      (["--like", first, "--keep-scales", "6", "--seed", "2"], "kept scales 6"),
    ] {
      expectFailure(
        try Programs.varlite(["generate", "-o", folder.file("b.png")] + arguments),
        Programs.Status.usage, says)
    }
    #expect(folder.names() == ["a.png", "state"])
  }

  @Test func filesThatTellNothingAreNamed() throws {
    let folder = TemporaryDirectory()
    let (first, state) = (folder.file("a.png"), folder.file("state"))
    let png = try draw(Self.drawing + ["--checkpoint", state], to: first)
    let bytes = try Fixtures.readFile(state)
    let words = Array("red".utf8)
    let place = try #require(png.indices.first { png[$0...].starts(with: words) })
    folder.write("edited.png", png[..<place] + Array("rad".utf8) + png[(place + 3)...])
    folder.write("cut.png", Array(png.dropLast(40)))
    folder.write("cut", Array(bytes.dropLast()))
    expectDone(
      try Programs.varlite(Self.drawing + ["-o", folder.file("bare.png"), "--no-metadata"]))
    expectDone(try Programs.varlite(Self.drawing + ["-o", folder.file("a.jpg")]))
    for (name, says) in [
      ("edited.png", "changed since it was drawn"), ("cut.png", "cut short"),
      ("bare.png", "no settings"), ("a.jpg", "is a JPEG"), ("state", "is no PNG"),
      ("missing.png", "cannot be read"),
    ] {
      for arguments in [["generate", "-o", folder.file("b.png"), "--like"], ["info"]] {
        guard arguments != ["info"] || name != "state" && name != "missing.png" else { continue }
        expectFailure(
          try Programs.varlite(arguments + [folder.file(name)]), Programs.Status.badInput,
          "\(name): ", says)
      }
    }
    for (name, says) in [
      ("cut", "is damaged"), ("a.png", "no saved drawing"), ("missing", "cannot be read"),
    ] {
      expectFailure(
        try Programs.varlite([
          "generate", "a", "-o", folder.file("b.png"), "--resume-from", folder.file(name),
        ]), Programs.Status.badInput, "\(name): ", says)
    }
  }

  @Test func checkpointsReplaceNothingElse() throws {
    let folder = TemporaryDirectory()
    let (output, state) = (folder.file("a.png"), folder.file("state"))
    folder.write("notes.txt", "a")
    for (path, says) in [
      (folder.file("notes.txt"), "is no saved drawing"), (output, "reads or writes that file"),
      (folder.path, "is a directory"), ("-", "name one"),
    ] {
      let result = try Programs.varlite(Self.drawing + ["-o", output, "--checkpoint", path])
      #expect(result.errorText.contains(says), "\(result.errorText)")
      #expect([Programs.Status.usage, Programs.Status.noResources].contains(result.status))
    }
    #expect(folder.names() == ["notes.txt"])
    // One that is not complete is worth keeping.
    let stopped = try Programs.varlite(
      Array(Self.drawing.dropLast()) + ["-o", output, "--checkpoint", state, "--size", "256"],
      interruptAt: "scale 5 of")
    #expect(stopped.status == Programs.Status.interrupted)
    let again = Self.drawing + ["-o", output, "--checkpoint", state]
    expectFailure(
      try Programs.varlite(again), Programs.Status.usage, "scales of a drawing", "--resume-from")
    expectDone(try Programs.varlite(again + ["--resume-from", state]))
    expectDone(try Programs.varlite(again))
  }

  /// A full disk stops no drawing, and is said once.
  @Test func checkpointsThatCannotBeWrittenStopNothing() throws {
    let folder = TemporaryDirectory()
    let result = try Programs.varlite(
      Self.drawing + ["-o", folder.file("a.png"), "--checkpoint", "/dev/full"])
    expectDone(result)
    #expect(result.errorLines.count == 1, "\(result.errorText)")
    #expect(result.errorText.contains("/dev/full: cannot be written: No space left on device"))
    #expect(try Fixtures.readFile(folder.file("a.png")) == draw(Self.drawing, to: folder.file("b")))
  }

  @Test func infoShowsPicturesAndSavedDrawings() throws {
    let folder = TemporaryDirectory()
    let (first, state) = (folder.file("a.png"), folder.file("state"))
    _ = try draw(Self.drawing + ["--seed", "5", "--checkpoint", state], to: first)
    let text = try Programs.varlite(["info", first])
    expectDone(text)
    for part in [
      "prompt          \(Programs.redCircle)", "seed            5", "cfg scale       3.0",
    ] {
      #expect(text.text.contains(part), "\(text.text)")
    }
    let json = try Programs.varlite(["info", first, "--json"]).json()
    #expect(json["prompt"]?.stringValue == Programs.redCircle && json["kv"]?.stringValue == "f32")
    let saved = try Programs.varlite(["info", state, "--json"]).json()
    #expect(saved["drawn_scales"]?.integerValue == 5 && saved["prompt"] == nil)
    #expect(saved["prompt_hash"] == json["prompt_hash"] && saved["model"] == json["model"])
  }
}

enum DemoModel {
  static let path = Fixtures.path("../../Sources/CVARDemoModel/Resources/shapes.vq4")
}
