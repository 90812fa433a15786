import Testing
import VARJSON
import VARTestSupport
import VARVision

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// In which format a picture is written: its name decides.
@Suite struct PictureOutputTests {
  private static let drawing = ["generate", Programs.redCircle, "--seed", "3", "--quiet", "-o"]
  private static let jpegStart: [UInt8] = [0xFF, 0xD8, 0xFF]
  private static let pngStart: [UInt8] = [0x89, 0x50, 0x4E, 0x47]

  private func start(_ path: String) throws -> [UInt8] {
    Array(try Fixtures.readFile(path).prefix(3))
  }

  /// The texts in a JPEG file's comment.
  private func comment(_ path: String) throws -> JSONValue {
    let bytes = try Fixtures.readFile(path)
    let mark = try #require(bytes.indices.first { bytes[$0...].starts(with: [0xFF, 0xFE]) })
    let length = Int(bytes[mark + 2]) << 8 | Int(bytes[mark + 3])
    return try JSONValue(parsing: Array(bytes[mark + 4..<mark + 2 + length]))
  }

  @Test func namesOfJPEGFilesGetJPEG() throws {
    let folder = TemporaryDirectory()
    var files: [[UInt8]] = []
    for name in ["a.jpg", "a.jpeg", "a.JPG", "a.JPEG", "a.b.Jpg"] {
      expectDone(try Programs.varlite(Self.drawing + [folder.file(name)]))
      #expect(try start(folder.file(name)) == Self.jpegStart, "\(name)")
      files.append(try Fixtures.readFile(folder.file(name)))
    }
    #expect(Set(files).count == 1, "the same seed gives the same bytes")
    expectDone(try Programs.varlite(Self.drawing + [folder.file("a.png")]))
    let exact = try ImageDecoder.decode(path: folder.file("a.png"))
    let lossy = try ImageDecoder.decode(path: folder.file("a.jpg"))
    try #require(exact.width == lossy.width && exact.height == lossy.height)
    let error = zip(exact.pixels, lossy.pixels).reduce(0) { $0 + abs(Int($1.0) - Int($1.1)) }
    #expect(error < 4 * exact.pixels.count)
    let texts = try comment(folder.file("a.jpg"))
    #expect(texts["prompt"]?.stringValue == Programs.redCircle)
    #expect(texts["seed"]?.stringValue == "3")
    #expect(texts["settings"]?.stringValue?.contains("cfg_scale") == true)
  }

  @Test func qualityIsObeyedAndOnlyForJPEG() throws {
    let folder = TemporaryDirectory()
    for quality in ["10", "90", "100"] {
      let path = folder.file("\(quality).jpg")
      expectDone(try Programs.varlite(Self.drawing + [path, "--quality", quality]))
    }
    expectDone(try Programs.varlite(Self.drawing + [folder.file("default.jpg")]))
    let sizes = try ["10", "90", "100"].map {
      try Fixtures.readFile(folder.file("\($0).jpg")).count
    }
    #expect(sizes[0] < sizes[1] && sizes[1] < sizes[2])
    #expect(
      try Fixtures.readFile(folder.file("90.jpg")) == Fixtures.readFile(folder.file("default.jpg")))
    for quality in ["0", "101", "-1", "high"] {
      expectFailure(
        try Programs.varlite(Self.drawing + [folder.file("a.jpg"), "--quality=\(quality)"]),
        Programs.Status.usage, "--quality")
    }
    expectFailure(
      try Programs.varlite(Self.drawing + [folder.file("a.png"), "--quality", "90"]),
      Programs.Status.usage, "--quality is for JPEG", "a.png")
    #expect(folder.names().count == 4)
  }

  @Test(arguments: [
    "a.webp", "a.gif", "a.bmp", "a.tif", "a.TIFF", "a.heic", "a.avif", "a.jxl", "a.jp2", "a.pdf",
    "a.svg", "a.ppm", "a.mp4", "a.json", "a.vq4",
  ])
  func namesOfOtherFormatsAreRefusedBeforeTheWork(name: String) throws {
    let folder = TemporaryDirectory()
    let path = folder.file(name)
    let scene = Programs.picture("scene_0")
    for arguments in [
      ["generate", "a"], ["edit", "a", "--image", scene], ["reconstruct", scene],
    ] {
      let result = try Programs.varlite(arguments + ["-o", path])
      expectFailure(result, Programs.Status.usage, path, "name a .png or .jpg file")
      #expect(result.errorLines.count == 1)
    }
    #expect(folder.names().isEmpty)
  }

  @Test(arguments: ["a", "a.", ".jpg", "a.1", "a.png", "a.PNG", "b.jpg/a", "a.jpg.tmp"])
  func otherNamesStayPNG(name: String) throws {
    let folder = TemporaryDirectory()
    folder.makeDirectory("b.jpg")
    expectDone(try Programs.varlite(Self.drawing + [folder.file(name)]))
    #expect(try Fixtures.readFile(folder.file(name)).starts(with: Self.pngStart))
  }

  @Test func editedAndReconstructedPicturesFollowTheSameRule() throws {
    let folder = TemporaryDirectory()
    let scene = Programs.picture("scene_0")
    let again = folder.file("again.jpg")
    expectDone(try Programs.varlite(["reconstruct", scene, "-o", again, "--quality", "95"]))
    #expect(try start(again) == Self.jpegStart)
    let edited = folder.file("edited.jpeg")
    expectDone(
      try Programs.varlite([
        "edit", "Make it blue.", "--image", scene, "-o", edited, "--force-image",
      ]))
    #expect(try start(edited) == Self.jpegStart)
  }

  @Test func pipesAndDevicesStayPNG() throws {
    let folder = TemporaryDirectory()
    let pipe = folder.file("pipe.jpg")
    #expect(mkfifo(pipe, 0o600) == 0)
    let result = try Programs.shell(
      "cat \"$1\" & \"$0\" generate \"$2\" --quiet -o \"$1\"; wait", [pipe, Programs.redCircle])
    expectDone(result)
    #expect(result.output.starts(with: Self.pngStart))
    let standard = try Programs.varlite(Self.drawing + ["-"])
    #expect(standard.output.starts(with: Self.pngStart))
    expectDone(try Programs.varlite(Self.drawing + ["/dev/null"]))
  }
}

/// Pictures as users have them.
@Suite struct PictureInputTests {
  private static let question = ["understand", "What?", "--max-tokens", "1", "--image"]

  @Test func standardInputIsAPicture() throws {
    let path = Programs.picture("scene_2")
    let named = try Programs.varlite(Self.question + [path, "--json"]).json()
    let bytes = try Fixtures.readFile(path)
    let piped = try Programs.varlite(Self.question + ["-", "--json"], bytes: bytes).json()
    #expect(piped["text"] == named["text"] && piped["tokens"] == named["tokens"])
    #expect(piped["prompt_tokens"] == named["prompt_tokens"])
    let again = try Programs.varlite(["reconstruct", "-", "-o", "-", "--quiet"], bytes: bytes)
    expectDone(again)
    #expect(
      again.output
        == (try Programs.varlite(["reconstruct", path, "-o", "-", "--quiet"])).output)
  }

  @Test func standardInputIsOneThing() throws {
    for arguments in [
      ["understand", "-", "--image", "-"], ["understand", "a", "--image", "-", "--image", "-"],
      ["edit", "-", "--image", "-", "-o", "-"],
    ] {
      expectFailure(
        try Programs.varlite(arguments, input: "a"), Programs.Status.usage,
        "standard input is either the text or one picture")
    }
    expectFailure(
      try Programs.varlite(Self.question + ["-"], input: "no picture"), Programs.Status.badInput,
      "standard input: the file starts with")
    expectFailure(
      try Programs.varlite(Self.question + ["-"]), Programs.Status.badInput,
      "standard input: the picture is empty")
    let endless = try Programs.shell("exec \"$0\" \"$@\" </dev/zero", Self.question + ["-"])
    expectFailure(
      endless, Programs.Status.badInput, "standard input: more than 268435456 bytes of file")
  }

  @Test func everyErrorNamesTheFile() throws {
    let folder = TemporaryDirectory()
    let png = try Fixtures.bytes("images/rgb8.png")
    for (name, bytes, says) in [
      ("a.heic", [0, 0, 0, 24] + Array("ftypheic".utf8), "is a HEIC picture"),
      ("cut.png", Array(png.dropLast(20)), "is cut short"), ("empty.jpg", [], "is empty"),
      ("a.webp", try Fixtures.bytes("images/animated.webp"), "an animation"),
    ] {
      folder.write(name, bytes)
      expectFailure(
        try Programs.varlite(Self.question + [folder.file(name)]), Programs.Status.badInput,
        folder.file(name) + ": ", says)
      let output = folder.file("out.png")
      expectFailure(
        try Programs.varlite(["reconstruct", folder.file(name), "-o", output]),
        Programs.Status.badInput, folder.file(name) + ": ")
    }
  }

  @Test func smallPicturesAreEnlargedWithALine() throws {
    let folder = TemporaryDirectory()
    try TestPicture.write(width: 20, height: 27, to: folder.file("small.png"))
    let result = try Programs.varlite(Self.question + [folder.file("small.png")])
    expectDone(result)
    #expect(result.errorText.contains("picture 1: 20x27 enlarged to 56x84 (6 tokens); "))
    let scene = try Programs.varlite(Self.question + [Programs.picture("scene_0")])
    #expect(!scene.errorText.contains("enlarged"))
  }

  @Test func aPhotoOf108MegapixelsIsSeenInLittleMemory() throws {
    let folder = TemporaryDirectory()
    folder.write("photo.jpg", FlatJPEG(width: 12000, height: 9000).bytes)
    let result = try Programs.varlite(
      Self.question + [folder.file("photo.jpg"), "--max-pixels", "15680", "--json"])
    let json = try result.json()
    #expect(result.errorText.contains("picture 1: 12000x9000 shrunk to 140x84 (15 tokens)"))
    // The whole picture would be 324 MB.
    let peak = try #require(json["memory"]?["peak_bytes"]?.integerValue)
    #expect(peak < 200_000_000, "\(peak) bytes")
    // The budget bounds what decoding may take; it never changes what is decoded.
    let tight = try Programs.varlite(
      Self.question + [
        folder.file("photo.jpg"), "--max-pixels", "15680", "--json", "--ram", "192M",
      ])
    #expect(try tight.json()["tokens"] == json["tokens"])
  }

  @Test func whatTheBudgetCannotDecodeIsRefused() throws {
    let folder = TemporaryDirectory()
    var photo = FlatJPEG(width: 12000, height: 9000)
    photo.isProgressive = true
    folder.write("photo.jpg", photo.bytes)
    for arguments in [
      Self.question + [folder.file("photo.jpg")],
      ["reconstruct", folder.file("photo.jpg"), "-o", folder.file("a.png")],
    ] {
      expectFailure(
        try Programs.varlite(arguments + ["--ram", "192M"]), Programs.Status.noResources,
        "photo.jpg: decoding 12000 x 9000 pixels takes", "shrink the picture first")
    }
    #expect(folder.names() == ["photo.jpg"])
  }

  @Test func cutOutsLieOnWhite() throws {
    let folder = TemporaryDirectory()
    let cutOut = Fixtures.path("images/rgba8.png")
    let plain = try ImageDecoder.decode(path: cutOut)
    try PNGEncoder.write(plain, to: folder.file("white.png"))
    func trace(_ path: String) throws -> [Float] {
      let trace = folder.file("trace.safetensors")
      expectDone(try Programs.varlite(Self.question + [path, "--trace", trace]))
      return try SafetensorsFile(path: trace).floats("pixel_values")
    }
    #expect(try trace(cutOut) == trace(folder.file("white.png")))
  }
}
