import Testing
import VARKernels
import VARTestSupport

/// `varconvert calibrate`, and conversions by what it wrote.
@Suite struct CalibrationTests {
  private func calibrate(_ output: String, _ more: String...) throws -> Programs.Result {
    try calibrate(output, more)
  }

  private func calibrate(_ output: String, _ more: [String]) throws -> Programs.Result {
    try Programs.varconvert(
      ["calibrate", try Programs.model.get(), "-o", output, "--limit", "1", "--quiet"] + more)
  }

  private func convert(_ output: String, _ more: String...) throws -> Programs.Result {
    try Programs.varconvert(
      [
        Fixtures.path("tiny"), "-o", output, "--precision", "int4", "--no-preview-map", "--quiet",
      ] + more)
  }

  @Test func theSameCasesGiveTheSameBytes() throws {
    let folder = TemporaryDirectory()
    let best = InstructionSet.best.rawValue
    for (name, threads, isa) in [("a", "1", "scalar"), ("b", "3", best)] {
      expectDone(
        try calibrate(folder.file("\(name).safetensors"), "-t", threads, "--isa", isa))
      expectDone(
        try convert(
          folder.file("\(name).vq4"), "--calibration", folder.file("\(name).safetensors"), "-t",
          threads))
    }
    for ending in ["safetensors", "vq4"] {
      let (first, second) = (folder.file("a.\(ending)"), folder.file("b.\(ending)"))
      #expect(try Fixtures.readFile(first) == Fixtures.readFile(second))
    }
    expectDone(try convert(folder.file("nearest.vq4")))
    let (nearest, compensated) = (folder.file("nearest.vq4"), folder.file("a.vq4"))
    #expect(try Fixtures.readFile(nearest) != Fixtures.readFile(compensated))
    expectDone(try Programs.varlite(["verify", compensated]))
    expectDone(
      try Programs.varlite(["understand", "Who are you?", "-m", compensated, "--quiet"]))
  }

  @Test func aRecipeIsCalibratedFor() throws {
    let folder = TemporaryDirectory()
    let recipe = ["--for", "int4"]
    // Scalar kernels take a minute for it.
    let other = (InstructionSet.supported.dropFirst().first ?? .best).rawValue
    for (name, more) in [
      ("a", ["-t", "1", "--isa", other]), ("b", ["-t", "2"]), ("c", ["-t", "3"]),
    ] {
      expectDone(try calibrate(folder.file("\(name).safetensors"), recipe + more))
    }
    for (name, threads) in [("a", "1"), ("b", "3")] {
      expectDone(
        try convert(
          folder.file("\(name).vq4"), "--calibration", folder.file("\(name).safetensors"), "-t",
          threads))
    }
    for (first, others) in [
      ("a.safetensors", ["b.safetensors", "c.safetensors"]), ("a.vq4", ["b.vq4"]),
    ] {
      let bytes = try Fixtures.readFile(folder.file(first))
      for other in others { #expect(try Fixtures.readFile(folder.file(other)) == bytes) }
    }
    expectDone(try Programs.varlite(["verify", folder.file("a.vq4")]))
    expectDone(
      try Programs.varconvert(
        ["check", Fixtures.path("tiny"), folder.file("a.vq4"), "--quiet"]))
    let table = try Programs.varconvert(
      ["calibrate", "--statistics", folder.file("a.safetensors")])
    expectDone(table)
    #expect(table.text.contains("for recipe int4"))
    let unlike = try convert(
      folder.file("d.vq4"), "--calibration", folder.file("a.safetensors"), "--group-size", "16")
    #expect(unlike.status == Programs.Status.badInput, "\(unlike.errorText)")
    #expect(
      unlike.errorLines == [
        "varconvert: \(folder.file("a.safetensors")): is for recipe int4, and int4 with groups of "
          + "16 rounds the generator in another way; calibrate for it, or for every recipe"
      ])
    let merged = try Programs.varconvert(
      ["calibrate", "--merge", "-o", folder.file("d")]
        + [folder.file("a.safetensors"), folder.file("b.safetensors")])
    #expect(merged.status == Programs.Status.badInput, "\(merged.errorText)")
    let unknown = try calibrate(folder.file("d"), ["--for", "int5"])
    #expect(unknown.status == Programs.Status.usage, "\(unknown.errorText)")
    #expect(!folder.names().contains { $0.hasPrefix("d") })
  }

  @Test func nothingIsLostAndFaultsAreTold() throws {
    let folder = TemporaryDirectory()
    folder.write("notes", "Keep this.")
    let kept = try calibrate(folder.file("notes"))
    #expect(kept.status == Programs.Status.usage && kept.errorText.contains("--force"))
    #expect(try Fixtures.readFile(folder.file("notes")) == Array("Keep this.".utf8))
    let model = try calibrate(try Programs.model.get(), "--force")
    #expect(model.status == Programs.Status.usage && model.errorText.contains("model that runs"))
    for path in [folder.file("notes"), try Programs.model.get(), folder.file("none")] {
      let result = try convert(folder.file("a.vq4"), "--calibration", path)
      #expect(result.status == Programs.Status.badInput, "\(result.errorText)")
      #expect(result.errorText.contains(path))
    }
    let lost = try calibrate(folder.file("none/c"))
    #expect(lost.status == Programs.Status.noResources, "\(lost.errorText)")
    #expect(lost.errorLines.count == 1 && lost.errorText.contains(folder.file("none/c")))
    #expect(folder.names() == ["notes"])
    for more in [
      ["--block", "100"], ["--limit", "0"], ["--save-every", "-1"], ["--force", "--resume"],
      ["--merge"], ["--merge", "--statistics"], ["-t", "0"], ["--statistics", "--for", "int4"],
    ] {
      let result = try Programs.varconvert(
        ["calibrate", try Programs.model.get(), "-o", folder.file("c")] + more)
      #expect(result.status == Programs.Status.usage, "\(more)")
    }
    let small = try calibrate(folder.file("c"), "--ram", "1M")
    #expect(small.status == Programs.Status.noResources, "\(small.errorText)")
    #expect(small.errorText.contains("give --ram"))
    #expect(folder.names() == ["notes"])
  }

  @Test func filesAreAddedAndShown() throws {
    let folder = TemporaryDirectory()
    expectDone(try calibrate(folder.file("a")))
    expectDone(
      try Programs.varconvert(
        ["calibrate", "--merge", folder.file("a"), folder.file("a"), "-o", folder.file("b")]))
    let table = try Programs.varconvert(["calibrate", "--statistics", folder.file("b")])
    expectDone(table)
    let (heading, lines) = (
      "tokens/block", table.text.split(separator: "\n").filter { $0.contains("down_proj") }
    )
    #expect(table.text.contains(heading) && !lines.isEmpty)
    expectDone(try convert(folder.file("m.vq4"), "--calibration", folder.file("b")))
    // What a conversion rounded by a calibration is further from the originals, and is told apart from other ones.
    expectDone(
      try Programs.varconvert(
        ["check", Fixtures.path("tiny"), folder.file("m.vq4"), "--quiet"]))
    for (inputs, text) in [
      ([folder.file("a"), folder.file("m.vq4")], "m.vq4"), ([folder.file("a"), "none"], "none"),
    ] {
      let result = try Programs.varconvert(
        ["calibrate", "--merge", "-o", folder.file("c")] + inputs)
      #expect(result.status == Programs.Status.badInput, "\(result.errorText)")
      #expect(result.errorText.contains(text))
    }
    folder.write("c.state", "varlite calibration state 1\nof another run\n")
    let stopped = try calibrate(folder.file("c"))
    #expect(stopped.status == Programs.Status.usage && stopped.errorText.contains("--resume"))
    let other = try calibrate(folder.file("c"), "--resume")
    #expect(other.status == Programs.Status.usage && other.errorText.contains("--force"))
    expectDone(try calibrate(folder.file("c"), "--force"))
    #expect(try Fixtures.readFile(folder.file("c")) == Fixtures.readFile(folder.file("a")))
    #expect(folder.names().sorted() == ["a", "b", "c", "m.vq4"])
  }
}
