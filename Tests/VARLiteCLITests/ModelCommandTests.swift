import Testing
import VARJSON
import VARTestSupport
import VARVision

/// `info`, `verify` and `reconstruct`.
@Suite struct ModelCommandTests {
  @Test func infoNamesThePartsAndVerifyAgrees() throws {
    let model = try Programs.model.get()
    let info = try Programs.varlite(["info", model])
    expectDone(info)
    #expect(info.errorOutput.isEmpty)
    for part in ["3 layers x 128", "128x128 px in 5 scales", "generator", "vae.decoder"] {
      #expect(info.text.contains(part), "\(part)")
    }
    let json = try Programs.varlite(["info", "--json", "--tensors"]).json()
    #expect(json["bytes"]?.integerValue == (try Fixtures.readFile(model).count))
    #expect(json["tensors"]?.arrayValue?.count == 424)
    let verified = try Programs.varlite(["verify", model])
    expectDone(verified)
    #expect(verified.text.hasPrefix(model) && verified.text.hasSuffix("are intact\n"))
    // The option names the file as well as the position does.
    #expect(try Programs.varlite(["info", "-m", model]).text == info.text)
    let other = ["verify", "--model", "/nowhere/m.vq4"]
    expectFailure(try Programs.varlite(other), Programs.Status.badInput, "/nowhere/m.vq4")
    let report = try Programs.varlite(["verify", "--json"]).json()
    #expect(report["intact"]?.boolValue == true && report["file"]?.stringValue == model)
  }

  @Test func reconstructionIsNearThePicture() throws {
    let folder = TemporaryDirectory()
    let output = folder.path + "/a.png"
    let json = try Programs.varlite([
      "reconstruct", Programs.picture("scene_0"), "-o", output, "--json",
    ]).json()
    #expect((json["psnr_db"]?.doubleValue ?? 0) > 20)
    let picture = try ImageDecoder.decode(path: Programs.picture("scene_0"))
    let result = try ImageDecoder.decode(path: output)
    try #require(result.width == picture.width && result.height == picture.height)
    let error = zip(result.pixels, picture.pixels).reduce(0) { $0 + abs(Int($1.0) - Int($1.1)) }
    #expect(error < 20 * picture.pixels.count)
  }

  @Test func theConvertersReportsAreOneObject() throws {
    let folder = TemporaryDirectory()
    let tiny = Fixtures.path("tiny")
    let model = folder.path + "/m.vq4"
    let plan = try Programs.varconvert(["plan", tiny, "--precision", "int8", "--json"]).json()
    let tensors = try #require(plan["tensors"]?.arrayValue?.count)
    #expect(folder.names().isEmpty)
    let report = try Programs.varconvert([
      tiny, "-o", model, "--precision", "int8", "--group-size", "32", "--json",
    ]).json()
    #expect(report["bytes"]?.integerValue == (try Fixtures.readFile(model).count))
    let check = try Programs.varconvert(["check", tiny, model, "--json"]).json()
    #expect(check["tensors"]?.arrayValue?.count == tensors)
    #expect(check["past_limit"]?.integerValue == 0)
    let again = try Programs.varconvert([tiny, "-o", model])
    #expect(again.status == Programs.Status.usage && again.errorText.contains(model))
    let quiet = try Programs.varconvert([tiny, "-o", model, "--force", "--quiet"])
    expectDone(quiet)
    #expect(quiet.errorOutput.isEmpty)
  }

  @Test func theConverterReplacesModelsOnly() throws {
    let folder = TemporaryDirectory()
    let notes = folder.path + "/notes.txt"
    try TestFile.write(Array("Keep this.".utf8), to: notes)
    for path in ["/dev/full", "/dev/stdout", notes, folder.path] {
      let result = try Programs.varconvert([Fixtures.path("tiny"), "-o", path, "--force"])
      #expect(result.status == Programs.Status.usage, "\(path): \(result.errorText)")
      #expect(result.errorText.contains(path))
    }
    #expect(try Fixtures.readFile(notes) == Array("Keep this.".utf8))
    #expect(folder.names() == ["notes.txt"])
  }

  @Test func faultyCheckpointsAreNamed() throws {
    let folder = TemporaryDirectory()
    try TestFile.write(Array("{".utf8), to: folder.path + "/config.json")
    for path in ["/nowhere", folder.path, folder.path + "/config.json"] {
      let result = try Programs.varconvert([path, "-o", folder.path + "/m.vq4"])
      #expect(result.status == Programs.Status.badInput, "\(path): \(result.errorText)")
      // A configuration stands for its folder.
      let named = path == "/nowhere" ? path : folder.path
      #expect(result.errorLines.count == 1 && result.errorText.contains(named))
    }
    #expect(folder.names() == ["config.json"])
  }

  @Test func partsOfACheckpointMayComeFromElsewhere() throws {
    let folder = TemporaryDirectory()
    let tiny = Fixtures.path("tiny")
    let model = folder.file("m.vq4")
    let parts = ["--generator", tiny, "--vae", tiny, "--projector", tiny]
    expectDone(try Programs.varconvert([tiny, "-o", model, "--quiet"] + parts))
    expectDone(try Programs.varconvert(["check", tiny, model, "--quiet"] + parts))
    expectDone(try Programs.varconvert(["plan", tiny] + parts))
    folder.write("evil.pth", TorchArchive.file(pickle: Array("cos\nsystem\n.".utf8), storages: []))
    let refused = try Programs.varconvert(["plan", tiny, "--vae", folder.file("evil.pth")])
    #expect(refused.status == 3)
    #expect(refused.errorText.contains("byte 0 of data.pkl: os.system is not allowed"))
  }
}
