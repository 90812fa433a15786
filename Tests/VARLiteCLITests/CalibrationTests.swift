import Testing
import VARTestSupport

/// `varconvert calibrate`, and conversions by what it wrote.
@Suite struct CalibrationTests {
  private func calibrate(_ output: String, _ more: String...) throws -> Programs.Result {
    try Programs.varconvert(
      ["calibrate", try Programs.model.get(), "-o", output, "--limit", "1", "--quiet"] + more)
  }

  private func convert(_ output: String, _ more: String...) throws -> Programs.Result {
    try Programs.varconvert(
      [Fixtures.path("tiny"), "-o", output, "--precision", "int4", "--quiet"] + more)
  }

  @Test func theSameCasesGiveTheSameBytes() throws {
    let folder = TemporaryDirectory()
    for (name, threads) in [("a", "1"), ("b", "3")] {
      expectDone(try calibrate(folder.file("\(name).safetensors"), "-t", threads))
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
    for more in [["--block", "100"], ["--limit", "0"]] {
      let result = try Programs.varconvert(
        ["calibrate", try Programs.model.get(), "-o", folder.file("c")] + more)
      #expect(result.status == Programs.Status.usage)
    }
  }
}
