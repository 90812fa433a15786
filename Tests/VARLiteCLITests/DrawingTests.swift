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
    let last = try #require(result.errorLines.last)
    #expect(last.hasPrefix("\(output): 128x128 in ") && last.hasSuffix(" s, seed 0"), "\(last)")
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
      [], ["--cfg-scale", "1"], ["--fast", "1"], ["--guided-scales", "4"], ["--fast", "2"],
      ["--dense-scales", "4"], ["--top-p", "0.6"], ["--greedy"], ["--size", "256"],
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

  @Test func aModelThatOnlyTalksDrawsWhenTold() throws {
    let folder = TemporaryDirectory()
    let output = folder.path + "/a.png"
    let talk = try Programs.varlite(
      ["generate", "Who are you?", "-o", output, "--let-model-decide"])
    expectFailure(
      talk, Programs.Status.checkFailed,
      "the model answered without drawing; it is made to draw without --let-model-decide")
    #expect(folder.names().isEmpty)
    let words = "I am a very small test model, and I can paint."
    for (flags, text) in [([], words), (["--force-image"], "")] {
      let json = try Programs.varlite(
        ["generate", "Who are you?", "-o", output, "--cfg-scale", "1", "--json"] + flags
      ).json()
      #expect(json["text"]?.stringValue == text)
      #expect(folder.names() == ["a.png"])
    }
    // A model that starts a picture by itself draws the same either way.
    func draw(_ flags: [String]) throws -> [UInt8] {
      let result = try Programs.varlite(
        ["generate", Programs.redCircle, "-o", "-", "--quiet"] + flags)
      expectDone(result)
      return result.output
    }
    #expect(try draw([]) == draw(["--let-model-decide"]))
    let edit = try Programs.varlite([
      "edit", "Who are you?", "-i", Programs.picture("scene_0"), "-o", output, "--quiet",
    ])
    expectDone(edit)
  }

  @Test func promptsAndPicturesHaveShortFlags() throws {
    func draw(_ arguments: [String]) throws -> [UInt8] {
      let result = try Programs.varlite(arguments + ["-o", "-", "--quiet"])
      expectDone(result)
      return result.output
    }
    let long = try draw(["generate", Programs.redCircle, "--seed", "7", "--threads", "1"])
    #expect(try draw(["generate", "-p", Programs.redCircle, "-s", "7", "-t", "1"]) == long)
    let picture = Programs.picture("scene_0")
    let edit = try draw(["edit", "Make it blue.", "--image", picture])
    #expect(try draw(["edit", "--prompt", "Make it blue.", "-i", picture]) == edit)
  }

  /// The seed that the system picked stands in the last line, in the JSON and in the picture, and gives the same bytes.
  @Test(arguments: [["--seed", "random"], ["-s", "-1"], ["--seed=-1"]])
  func pickedSeedsAreTold(flags: [String]) throws {
    let folder = TemporaryDirectory()
    func draw(_ name: String, _ flags: [String]) throws -> (String, Programs.Result) {
      let path = folder.file(name)
      let result = try Programs.varlite(["generate", Programs.redCircle, "-o", path] + flags)
      expectDone(result)
      return (path, result)
    }
    let (first, told) = try draw("a.png", flags)
    let seed = try #require(told.errorLines.last?.split(separator: " ").last.map(String.init))
    #expect(UInt64(seed) != nil)
    let (second, _) = try draw("b.png", ["--seed", seed])
    #expect(try Fixtures.readFile(first) == Fixtures.readFile(second))
    let json = try draw("c.png", flags + ["--json"]).1.json()
    let other = try #require(json["seed"]?.stringValue)
    #expect(UInt64(other) != nil && other != seed)
  }

  @Test func metadataCanBeLeftOut() throws {
    func draw(_ flags: [String]) throws -> [UInt8] {
      let result = try Programs.varlite(
        ["generate", Programs.redCircle, "-o", "-", "--quiet", "--seed", "4711"] + flags)
      expectDone(result)
      return result.output
    }
    func texts(_ picture: [UInt8]) -> [String] {
      let text = String(decoding: picture, as: UTF8.self)
      return ["paint", "4711", "varlite", "tEXt", "iTXt", "zTXt"].filter(text.contains)
    }
    let (full, bare) = (try draw([]), try draw(["--no-metadata"]))
    #expect(texts(full).contains("paint") && texts(full).contains("4711"))
    #expect(texts(bare).isEmpty, "\(texts(bare))")
    #expect(try ImageDecoder.decode(full) == ImageDecoder.decode(bare))
  }

  @Test func verboseSaysWhatIsLoadedPlannedAndTaken() throws {
    let result = try Programs.varlite(["generate", Programs.redCircle, "-o", "-", "-v"])
    expectDone(result)
    for part in [
      "tiny.vq4: ", "content hash", "threads, ", "keys and values in f32", "phase ", "decoding",
      "peak ", "times: reading 0", "writing 0", "drawing 0", "pixels 0", "all 0",
    ] {
      #expect(result.errorText.contains(part), "\(part) is missing in \(result.errorText)")
    }
    _ = try ImageDecoder.decode(result.output)
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
