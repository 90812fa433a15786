import Testing
import VARJSON
import VARTestSupport

/// What users see of checkpoints in other forms, and of a checkpoint in the place of a model.
@Suite struct CheckpointFormTests {
  @Test func aCheckpointInThePlaceOfAModelIsToBeConvertedFirst() throws {
    let folder = try CheckpointFolder(copying: Fixtures.path("tiny")) { !$0.hasSuffix(".json") }
    let directory = folder.directory
    directory.write("config.json", "{}")
    directory.write("weights", try Fixtures.bytes("tiny/model-00003-of-00003.safetensors"))
    directory.write("generator", try Fixtures.bytes("pth/protocol2.pth"))
    for name in ["", "model-00001-of-00003.safetensors", "config.json", "weights", "generator"] {
      let path = name.isEmpty ? directory.path : directory.file(name)
      for arguments in [["understand", "What?", "-m", path], ["info", path], ["verify", path]] {
        expectFailure(
          try Programs.varlite(arguments), Programs.Status.badInput, path, "convert it first",
          "varconvert \(path) -o model.vq4")
      }
    }
    directory.makeDirectory("cache")
    directory.makeDirectory("cache/snapshots")
    expectFailure(
      try Programs.varlite(["info", directory.file("cache")]), Programs.Status.badInput,
      "convert it first")
  }

  @Test(arguments: [
    ("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
    ("<!doctype html><title>Files</title>", "web page"), ("GGUF\u{3}\0\0\0", "GGUF"),
  ])
  func whatStandsInThePlaceOfAModelIsNamed(content: String, text: String) throws {
    let directory = TemporaryDirectory()
    directory.write("model.vq4", content)
    let path = directory.file("model.vq4")
    expectFailure(try Programs.varlite(["info", path]), Programs.Status.badInput, path, text)
  }

  @Test func notesAreSaidOnceAndOffWithQuiet() throws {
    let folder = try CheckpointFolder(copying: Fixtures.path("tiny"))
    try folder.addTensor(
      "step", type: "F64", shape: [], bytes: [UInt8](repeating: 0, count: 8),
      to: "model-00001-of-00003.safetensors")
    let output = TemporaryDirectory()
    let arguments = [folder.path, "-o", output.file("m.vq4")]
    let result = try Programs.varconvert(arguments)
    expectDone(result)
    let note = "note: skipped, since no part of the model needs it: 1 tensor (step)"
    #expect(result.errorLines.count { $0 == note } == 1, "\(result.errorText)")
    #expect(result.text.contains("content hash "))
    let quiet = try Programs.varconvert(arguments + ["--force", "--quiet", "--json"])
    #expect(quiet.errorText.isEmpty, "\(quiet.errorText)")
    #expect(try quiet.json()["notes"]?.arrayValue?.count == 1)
    let plan = try Programs.varconvert(["plan", folder.path, "--all"])
    #expect(plan.errorLines == [note])
    #expect(plan.text.contains("skipped:\n  step: no part of the model needs it (8 B)"))
  }

  @Test func aContradictionIsOneLineOnBothKeys() throws {
    let folder = try CheckpointFolder(copying: Fixtures.path("tiny"))
    let text = String(decoding: try Fixtures.bytes("tiny/config.json"), as: UTF8.self)
    folder.directory.write(
      "config.json",
      text.replacing(
        "\"hidden_size\": 128,\n  \"image",
        with: "\"hidden_size\": 128,\n  "
          + "\"text_config\": {\"hidden_size\": 256},\n  \"image"))
    let output = TemporaryDirectory()
    let result = try Programs.varconvert([folder.path, "-o", output.file("m.vq4")])
    #expect(result.status == Programs.Status.badInput)
    #expect(
      result.errorLines == [
        "varconvert: configuration: hidden_size: is 128, but text_config.hidden_size is 256; "
          + "remove the wrong one"
      ])
    #expect(output.names().isEmpty)
  }
}
