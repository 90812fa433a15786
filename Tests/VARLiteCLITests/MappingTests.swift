import Testing
import VARTestSupport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// File systems that cannot map files, as those of programs with direct input and output: the first flag fails for
/// pages that are shared with others, the second for all.
@Suite(.enabled(if: FaultyCalls.isAvailable, "\(FaultyCalls.need)")) struct MappingTests {
  private func varlite(
    _ arguments: [String], _ call: FaultyCalls.Call?, code: Int32 = ENODEV
  ) throws -> Programs.Result {
    var runner = try ProgramRunner.built("varlite")
    runner.environment.append("VARLITE_MODEL=\(try Programs.model.get())")
    if let call { runner.environment += try FaultyCalls.environment([call: code]) }
    return try runner.run(arguments)
  }

  private func draw(
    _ residency: String, _ call: FaultyCalls.Call?, _ folder: TemporaryDirectory
  ) throws -> Programs.Result {
    try varlite(
      [
        "generate", Programs.redCircle, "-o", folder.file("a.png"), "--force-image", "--json",
        "--residency", residency,
      ], call)
  }

  @Test func everyResidencyDrawsTheSame() throws {
    let folder = TemporaryDirectory()
    expectDone(try draw("map", nil, folder))
    let picture = try Fixtures.readFile(folder.file("a.png"))
    for (residency, call, used) in [
      ("automatic", FaultyCalls.Call.mmapShared, "map"), ("map", .mmapShared, "map"),
      ("load", .mmapShared, "load"), ("stream", .mmapShared, "stream"),
      ("automatic", .mmapFile, "stream"), ("load", .mmapFile, "load"),
      ("stream", .mmapFile, "stream"),
    ] {
      let report = try draw(residency, call, folder).json()
      #expect(report["memory"]?["residency"]?.stringValue == used)
      #expect(try Fixtures.readFile(folder.file("a.png")) == picture, "\(residency) \(call)")
    }
    let refused = try draw("map", .mmapFile, folder)
    #expect(refused.status == Programs.Status.badInput)
    #expect(refused.errorText.contains("cannot be mapped: No such device"), "\(refused.errorText)")
  }

  @Test(arguments: [FaultyCalls.Call.mmapShared, .mmapFile])
  func otherCommandsNeedNoMapping(_ call: FaultyCalls.Call) throws {
    let folder = TemporaryDirectory()
    let model = try Programs.model.get()
    for arguments in [
      ["info"], ["verify"], ["tokenize", "Draw a circle."], ["plan"],
      ["understand", "Who are you?", "--max-tokens", "4"],
      ["reconstruct", Programs.picture("scene_0"), "-o", folder.file("r.png")],
    ] {
      let expected = try varlite(arguments, nil)
      let result = try varlite(arguments, call)
      expectDone(result)
      if arguments[0] != "plan" { #expect(result.text == expected.text) }
    }
    expectDone(
      try varlite(["repack", model, "-o", folder.file("m.vq4"), "--layout", "compact"], call))
    expectDone(try varlite(["verify", folder.file("m.vq4")], nil))
  }

  /// Memory that is refused is no fault of the file.
  @Test func aMappingThatMemoryForbidsIsToldAsSuch() throws {
    let refused = try varlite(
      ["understand", "Who are you?", "--residency", "map"], .mmapFile, code: ENOMEM)
    expectFailure(refused, Programs.Status.noResources, "cannot be mapped: Cannot allocate memory")
  }
}
