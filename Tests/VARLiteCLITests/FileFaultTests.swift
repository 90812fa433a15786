import Testing
import VARTestSupport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Files that are missing, broken or cannot be written: one line that names them, and nothing left behind.
@Suite struct FileFaultTests {
  private static let kinds = ["missing", "folder", "empty", "junk", "truncated"]

  /// Makes a file of a kind in `folder` and returns its path.
  private func faulty(_ kind: String, of good: String, in folder: TemporaryDirectory) throws
    -> String
  {
    let path = "\(folder.path)/\(kind)"
    let bytes = try Fixtures.readFile(good)
    switch kind {
    case "missing": break
    case "folder": guard mkdir(path, 0o755) == 0 else { throw FixtureError("no folder") }
    case "empty": try TestFile.write([], to: path)
    case "junk": try TestFile.write(Array("This is no picture and no model.\n".utf8), to: path)
    default: try TestFile.write(Array(bytes.prefix(bytes.count / 2)), to: path)
    }
    return path
  }

  @Test(arguments: kinds)
  func faultyPicturesAreNamed(_ kind: String) throws {
    let folder = TemporaryDirectory()
    let path = try faulty(kind, of: Programs.picture("scene_0"), in: folder)
    let output = folder.path + "/out.png"
    for arguments in [
      ["understand", "What?", "--image", path], ["edit", "a", "--image", path, "-o", output],
      ["reconstruct", path, "-o", output],
    ] {
      expectFailure(try Programs.varlite(arguments), Programs.Status.badInput, path)
      #expect(folder.names() == (kind == "missing" ? [] : [kind]))
    }
  }

  @Test(arguments: kinds)
  func faultyModelsAreNamed(_ kind: String) throws {
    let folder = TemporaryDirectory()
    let path = try faulty(kind, of: Programs.model.get(), in: folder)
    for arguments in [
      ["understand", "What?", "-m", path], ["generate", "a", "-o", "-", "-m", path],
      ["chat", "-m", path], ["tokenize", "a", "-m", path], ["info", path], ["verify", path],
    ] {
      expectFailure(try Programs.varlite(arguments), Programs.Status.badInput, path)
    }
  }

  @Test func aFlippedByteIsFoundByVerify() throws {
    let folder = TemporaryDirectory()
    let path = folder.path + "/model.vq4"
    var bytes = try Fixtures.readFile(Programs.model.get())
    bytes[bytes.count * 3 / 4] ^= 0x10
    try TestFile.write(bytes, to: path)
    expectFailure(try Programs.varlite(["verify", path]), Programs.Status.badInput, path)
  }

  @Test func picturesThatGiveNoPatchesAreRefused() throws {
    let folder = TemporaryDirectory()
    let path = folder.file("thin.png")
    try TestPicture.write(width: 2010, height: 10, to: path)
    expectFailure(
      try Programs.varlite([
        "understand", "What?", "--image", Programs.picture("img_a"), "--image", path,
      ]), Programs.Status.badInput, "\(path): 2010 x 10 pixels; no side may be over 200 times")
  }

  @Test func foldersThatAreMissingAreToldBeforeTheWork() throws {
    let path = "/nowhere/at/all/a.png"
    let scene = Programs.picture("scene_0")
    for arguments in [
      ["generate", "a", "-o", path], ["edit", "a", "--image", scene, "-o", path],
      ["reconstruct", scene, "-o", path], ["understand", "a", "--trace", path],
      ["generate", "a", "-o", "-", "--trace", path], ["generate", "a", "-o", "/"],
      ["generate", "a", "-o", "/proc/a.png"],
    ] {
      let result = try Programs.varlite(arguments)
      expectFailure(result, Programs.Status.noResources, arguments.last!)
      #expect(result.errorLines.count == 1, "told before the work")
    }
  }

  /// root may write anywhere.
  @Test(.enabled(if: getuid() != 0)) func foldersThatAreReadOnlyAreTold() throws {
    let folder = TemporaryDirectory()
    chmod(folder.path, 0o555)
    defer { chmod(folder.path, 0o755) }
    expectFailure(
      try Programs.varlite(["generate", "a", "-o", folder.path + "/a.png"]),
      Programs.Status.noResources, folder.path)
  }

  @Test func fullDisksLeaveNothing() throws {
    let folder = TemporaryDirectory()
    let output = folder.path + "/a.png"
    let scene = Programs.picture("scene_0")
    // A limit on the size of files stands for a full disk: 2 KiB are fewer than the picture has.
    let limited = try Programs.shell(
      "ulimit -f 2; exec \"$0\" \"$@\"", ["reconstruct", scene, "-o", output])
    expectFailure(limited, Programs.Status.noResources, output)
    #expect(folder.names().isEmpty)
    // An older file survives.
    try TestFile.write([1, 2, 3], to: output)
    _ = try Programs.shell("ulimit -f 2; exec \"$0\" \"$@\"", ["reconstruct", scene, "-o", output])
    #expect(try Fixtures.readFile(output) == [1, 2, 3])
    #expect(folder.names() == ["a.png"])
  }

  @Test func memoryThatIsNotThereIsTold() throws {
    // The request takes 290 MB, the program included.
    expectFailure(
      try Programs.shell(
        "ulimit -v 250000; exec \"$0\" \"$@\"",
        ["generate", "a", "-o", "-", "--force-image", "--size", "1024", "--quiet"]),
      Programs.Status.noResources, "short", "smaller size", "ulimit -v", "bytes higher")
  }

  @Test func theConverterTellsThatItsReportIsLost() throws {
    let (tiny, folder) = (Fixtures.path("tiny"), TemporaryDirectory())
    let output = folder.file("a.vq4")
    for arguments in [
      ["plan", tiny], ["plan", tiny, "--json"], ["check", tiny, try Programs.model.get()],
      [tiny, "-o", output, "--json", "--quiet"], ["--help"], ["--version"],
    ] {
      let program = try ProgramRunner.built("varconvert").path
      let result = try ProgramRunner(path: "/bin/sh").run(
        ["-c", "exec \"$0\" \"$@\" >/dev/full", program] + arguments)
      #expect(result.status == Programs.Status.noResources, "\(arguments): \(result.errorText)")
      #expect(result.errorText.contains("standard output: cannot be written: No space left"))
    }
    // The work is done all the same.
    #expect(try Programs.varlite(["verify", output]).status == 0)
  }

  @Test func aFullDeviceIsToldAndStaysADevice() throws {
    let scene = Programs.picture("scene_0")
    expectFailure(
      try Programs.varlite(["reconstruct", scene, "-o", "/dev/full"]),
      Programs.Status.noResources, "/dev/full", "No space left")
    var status = stat()
    #expect(stat("/dev/full", &status) == 0 && status.st_mode & S_IFMT == S_IFCHR)
    for arguments in [
      ["reconstruct", scene, "-o", "-"], ["understand", "Who are you?"], ["tokenize", "a"],
      ["info"], ["--help"], ["--version"],
    ] {
      let result = try Programs.shell("exec \"$0\" \"$@\" >/dev/full", arguments)
      expectFailure(result, Programs.Status.noResources, "standard output", "No space left")
    }
  }

  @Test func theModelIsNeverOverwritten() throws {
    let model = try Programs.model.get()
    let folder = TemporaryDirectory()
    let link = folder.path + "/link"
    #expect(symlink(model, link) == 0)
    for arguments in [
      ["generate", "a", "-o", model], ["generate", "a", "-o", link],
      ["generate", "a", "-o", folder.path + "/x", "--trace", model],
      ["reconstruct", Programs.picture("scene_0"), "-o", model],
    ] {
      expectFailure(try Programs.varlite(arguments), Programs.Status.usage, arguments.last!)
    }
  }

  @Test func linksAreWrittenThrough() throws {
    let folder = TemporaryDirectory()
    try TestFile.write([1], to: folder.path + "/target")
    #expect(symlink("target", folder.path + "/link") == 0)
    expectDone(
      try Programs.varlite([
        "reconstruct", Programs.picture("scene_0"), "-o", folder.path + "/link", "--quiet",
      ]))
    #expect(try Fixtures.readFile(folder.path + "/target").count > 1000)
    #expect(folder.names() == ["link", "target"])
  }
}
