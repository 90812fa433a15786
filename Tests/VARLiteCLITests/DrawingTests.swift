import Testing
import VARJSON
import VARTestSupport
import VARVision

/// `generate` and `edit` on their good days.
@Suite struct DrawingTests {
  @Test func generateWritesAPictureAndReportsOnStandardErrorOnly() throws {
    let folder = TemporaryDirectory()
    let output = folder.path + "/a.png"
    let result = try Programs.varlite(["generate", Programs.redCircle, "-o", output])
    expectDone(result)
    #expect(result.output.isEmpty)
    #expect(!result.errorOutput.contains(0x1b), "escape codes belong on terminals")
    #expect(result.errorText.contains("scale 5 of 5"))
    #expect(result.errorLines.last?.hasPrefix("\(output): 128x128 in ") == true)
    let picture = try ImageDecoder.decode(path: output)
    #expect(picture.width == 128 && picture.height == 128)
    #expect(folder.names() == ["a.png"])
  }

  @Test func theSameSeedGivesTheSameBytesEverywhere() throws {
    let folder = TemporaryDirectory()
    func draw(_ name: String, _ flags: [String]) throws -> [UInt8] {
      let path = "\(folder.path)/\(name).png"
      let result = try Programs.varlite(
        ["generate", Programs.redCircle, "-o", path, "--quiet"] + flags)
      expectDone(result)
      #expect(result.errorOutput.isEmpty, "\(result.errorText)")
      return try Fixtures.readFile(path)
    }
    let first = try draw("first", ["--seed", "7"])
    #expect(try draw("again", ["--seed", "7", "--threads", "1"]) == first)
    #expect(try draw("scalar", ["--seed", "7", "--isa", "scalar", "--threads", "2"]) == first)
    #expect(try draw("other", ["--seed", "8"]) != first)
  }

  @Test func settingsReachTheModel() throws {
    let folder = TemporaryDirectory()
    var pictures: [[UInt8]] = []
    for (index, flags) in [
      [], ["--cfg-scale", "1"], ["--top-p", "0.6"], ["--greedy"], ["--size", "256"],
    ].enumerated() {
      let path = "\(folder.path)/\(index).png"
      expectDone(
        try Programs.varlite(
          ["generate", Programs.redCircle, "-o", path, "--quiet", "--tau", "5"] + flags))
      pictures.append(try ImageDecoder.decode(path: path).pixels)
    }
    for (index, picture) in pictures.enumerated() {
      let isNew = !pictures[..<index].contains(picture)
      #expect(isNew, "case \(index) changes nothing")
    }
  }

  @Test func pictureOnStandardOutputAndReportBesideIt() throws {
    let result = try Programs.varlite(
      ["generate", "-", "-o", "-", "--json", "--greedy", "--cfg-scale", "1"],
      input: Programs.redCircle + "\n")
    expectDone(result)
    let picture = try ImageDecoder.decode(result.output)
    #expect(picture.width == 128 && picture.height == 128)
    let json = try JSONValue(parsing: try #require(result.errorLines.last))
    #expect(json["output"]?.stringValue == "-")
    // The reference's picture of this prompt: the line break of standard input is no part of it.
    let golden = try ImageDecoder.decode(path: Fixtures.path("golden/images/gen_cfg1.png"))
    let far = zip(picture.pixels, golden.pixels).count { abs(Int($0) - Int($1)) > 1 }
    #expect(far * 1000 <= golden.pixels.count, "\(far) samples differ")
  }

  @Test func jsonIsOneObject() throws {
    let folder = TemporaryDirectory()
    let output = folder.path + "/edit.png"
    let result = try Programs.varlite([
      "edit", "Make it blue.", "--image", Programs.picture("scene_0"), "-o", output, "--json",
      "--seed", "18446744073709551615", "--aspect", "source",
    ])
    let json = try result.json()
    #expect(json["output"]?.stringValue == output)
    #expect(json["width"]?.integerValue == 128)
    #expect(json["seed"]?.stringValue == "18446744073709551615")
    #expect(json["prompt_tokens"]?.integerValue == 53)
    #expect((json["seconds"]?.doubleValue ?? 0) > 0)
    #expect(result.errorText.contains("shrunk to 112x112"))
    #expect(try ImageDecoder.decode(path: output).height == 128)
  }

  @Test func pictureHoldsItsSettings() throws {
    let folder = TemporaryDirectory()
    let output = folder.path + "/a.png"
    expectDone(
      try Programs.varlite([
        "generate", "Ein roter Kreis, größer.", "-o", output, "--seed", "5", "--force-image",
        "--cfg-scale", "1",
      ]))
    let text = String(decoding: try Fixtures.readFile(output).prefix(1000), as: UTF8.self)
    #expect(text.contains("Ein roter Kreis, größer."))
    #expect(text.contains(#""cfg_scale":1"#) && text.contains(#""seed":"5""#), "\(text)")
  }

  @Test func aModelThatOnlyTalksIsToldAndCanBeForced() throws {
    let folder = TemporaryDirectory()
    let output = folder.path + "/a.png"
    let talk = try Programs.varlite(["generate", "Who are you?", "-o", output])
    expectFailure(
      talk, Programs.Status.checkFailed,
      "the model answered without drawing; use --force-image")
    #expect(folder.names().isEmpty)
    expectDone(
      try Programs.varlite(
        ["generate", "Who are you?", "-o", output, "--force-image", "--cfg-scale", "1"]))
    #expect(folder.names() == ["a.png"])
  }

  @Test(arguments: ["int8", "f16", "f32"]) func cachesMayBeOfAnyType(type: String) throws {
    let folder = TemporaryDirectory()
    let output = folder.path + "/a.png"
    let result = try Programs.varlite([
      "generate", Programs.redCircle, "-o", output, "--kv", type, "--size", "256",
      "--cfg-scale", "1", "--json",
    ])
    let json = try result.json()
    #expect(json["width"]?.integerValue == 256 && json["height"]?.integerValue == 256)
    #expect(json["kv"]?.stringValue == type)
  }

  @Test func longPromptsAreGuidedToo() throws {
    // More positions than the unconditional rows of the text features can be.
    let folder = TemporaryDirectory()
    let output = folder.path + "/a.png"
    let text = Array(repeating: "a red circle and", count: 200).joined(separator: " ")
    let result = try Programs.varlite(
      ["generate", text, "-o", output, "--json", "--force-image"])
    let count = try #require(try result.json()["prompt_tokens"]?.integerValue)
    #expect(count > 512)
  }

  @Test func aFileIsReplacedWhole() throws {
    let folder = TemporaryDirectory()
    let path = folder.path + "/scene.png"
    try TestFile.write(try Fixtures.readFile(Programs.picture("scene_0")), to: path)
    expectDone(
      try Programs.varlite([
        "edit", "Make it blue.", "--image", path, "-o", path, "--cfg-scale", "1",
      ]))
    #expect(try Fixtures.readFile(path) != Fixtures.readFile(Programs.picture("scene_0")))
    #expect(try ImageDecoder.decode(path: path).width == 128)
    #expect(folder.names() == ["scene.png"])
  }
}
