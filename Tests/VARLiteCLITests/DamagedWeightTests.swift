import Testing
import VARTestSupport

/// Weights that are no numbers end a request with a line; they become neither text nor pixels, nor a crash.
@Suite struct DamagedWeightTests {
  /// The bytes of a model that is read in place.
  private static let whole = Swift.Result<[UInt8], any Error> {
    let folder = TemporaryDirectory()
    let path = folder.path + "/model.vq4"
    expectDone(
      try Programs.varconvert([
        Fixtures.path("tiny"), "-o", path, "--precision", "f32", "--layout", "map",
        "--no-preview-map", "--quiet",
      ]))
    return try Fixtures.readFile(path)
  }

  /// A model whose weights between two shares of the file are NaN; opening it reads the directory only.
  private func damaged(_ folder: TemporaryDirectory, from: Double, to: Double) throws -> String {
    let path = folder.path + "/model.vq4"
    var bytes = try Self.whole.get()
    let range = (Int(Double(bytes.count) * from) & ~3)..<(Int(Double(bytes.count) * to) & ~3)
    for index in range { bytes[index] = [0x00, 0x00, 0xc0, 0x7f][index & 3] }
    try TestFile.write(bytes, to: path)
    return path
  }

  @Test(arguments: [0.1, 0.2, 0.3, 0.5, 0.7, 0.85])
  func requestsEndWithALine(from start: Double) throws {
    let folder = TemporaryDirectory()
    let output = folder.path + "/a.png"
    let model = try damaged(folder, from: start, to: start + 0.02)
    let scene = Programs.picture("scene_0")
    var failures = 0
    for arguments in [
      ["understand", "What?", "--image", scene, "--max-tokens", "4", "--temperature", "1"],
      ["understand", "What?", "--image", scene, "--max-tokens", "4"],
      ["generate", "a", "--force-image", "-o", output], ["reconstruct", scene, "-o", output],
    ] {
      let result = try Programs.varlite(arguments + ["-m", model, "--quiet"])
      // A request that does not read the damaged weights is answered.
      if result.status == Programs.Status.done { continue }
      failures += 1
      #expect(result.status == Programs.Status.badInput, "\(result.errorText)")
      #expect(result.errorText.contains("\(model): "), "\(result.errorText)")
      #expect(result.errorText.contains("varlite verify"), "\(result.errorText)")
    }
    #expect(failures > 0)
    expectFailure(try Programs.varlite(["verify", model]), Programs.Status.badInput, model)
  }
}
