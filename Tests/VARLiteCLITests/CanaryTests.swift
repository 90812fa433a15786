import Testing
import VARJSON
import VARKernels
import VARTestSupport
import VQ4Format

/// `varconvert --canaries` and `varlite check`.
@Suite struct CanaryTests {
  private static let scaled = "model.layers.1.mlp.up_proj.weight"

  private func convert(_ output: String, _ more: String...) throws {
    expectDone(
      try Programs.varconvert(
        [Fixtures.path("tiny"), "-o", output, "--layout", "map", "--no-preview-map", "--quiet"]
          + more))
  }

  private func check(_ model: String, _ more: String...) throws -> Programs.Result {
    try Programs.varlite(["check", model] + more)
  }

  @Test func aFileIsAsDesignedOnEveryMachine() throws {
    let folder = TemporaryDirectory()
    let (model, other) = (folder.file("a.vq4"), folder.file("b.vq4"))
    try convert(model, "--precision", "int8", "--canaries", "-t", "1")
    try convert(other, "--precision", "int8", "--canaries", "-t", "3")
    #expect(try Fixtures.readFile(model) == Fixtures.readFile(other))
    for set in InstructionSet.supported {
      let result = try check(model, "--isa", set.rawValue, "-t", "2")
      expectDone(result)
      #expect(result.text.contains("(\(set.rawValue)): as designed\n"), "\(result.text)")
      #expect(result.text.contains("llm.layers.1"), "\(result.text)")
    }
    // The layout changes no bits.
    let compact = folder.file("c.vq4")
    expectDone(
      try Programs.varlite(["repack", model, "-o", compact, "--layout", "compact", "--quiet"]))
    let report = try check(compact, "--json", "--quiet").json()
    #expect(report["verdict"]?.stringValue == "as designed")
    let layers = report["layers"]?.arrayValue ?? []
    #expect(layers.count > 12)
    for layer in layers {
      let error = try #require(layer["relative_error"]?.doubleValue)
      let asMade = try #require(layer["relative_error_as_made"]?.doubleValue)
      #expect(abs(error - asMade) <= 1e-6 * error, "\(layer.text)")
    }
    #expect(layers.contains { ($0["relative_error"]?.doubleValue ?? 0) > 1e-3 })
    #expect(report["bits"]?.integerValue ?? 0 > 0)
    let info = try Programs.varlite(["info", model])
    #expect(info.text.contains("canaries"), "\(info.text)")
  }

  /// The values of f32 are the checkpoint's: what is left is the rounding of what is stored.
  @Test func fullPrecisionIsThatOfTheCheckpoint() throws {
    let folder = TemporaryDirectory()
    let model = folder.file("a.vq4")
    try convert(model, "--precision", "f32", "--canaries")
    let report = try check(model, "--json", "--quiet").json()
    for layer in report["layers"]?.arrayValue ?? [] {
      #expect(layer["relative_error"]?.doubleValue ?? 1 < 5e-4, "\(layer.text)")
    }
    #expect(report["bits"] == report["equal_bits"])
  }

  @Test func aFileWithoutCanariesIsVerified() throws {
    let model = try Programs.model.get()
    let result = try check(model)
    expectDone(result)
    #expect(result.text.contains("are intact"))
    #expect(
      result.errorLines.last
        == "varlite: \(model): holds no canaries, so its layers are not checked; varconvert "
        + "--canaries makes a file that has some")
    #expect(try check(model, "--json", "--quiet").json()["verdict"] == .null)
  }

  @Test func otherFilesAreToldApart() throws {
    let folder = TemporaryDirectory()
    let (model, other) = (folder.file("a.vq4"), folder.file("b.vq4"))
    try convert(model, "--precision", "int8", "--canaries")
    let file = try VQ4File(path: model)
    let tensor = try #require(file.tensorIndex(named: Self.scaled))

    // A scale that was flipped in the file.
    var bytes = try Fixtures.readFile(model)
    bytes[try #require(file.rawFileRange(tensor, .scales)).lowerBound] ^= 1
    try TestFile.write(bytes, to: other)
    let damaged = try check(other, "--quiet")
    expectFailure(damaged, Programs.Status.badInput, other)
    #expect(damaged.errorText.contains(Self.scaled), "\(damaged.errorText)")
    #expect(damaged.errorText.contains("copy or download it again"), "\(damaged.errorText)")

    // The same with right checksums.
    try RewrittenModel.write(
      model, to: other,
      streams: { if $0 == Self.scaled, $1 == .scales { $2[0] ^= 1 } })
    try expectOtherTensors(other, [Self.scaled])

    // A tensor of another model of this shape.
    let donor = "model.layers.0.mlp.up_proj.weight"
    let donorIndex = try #require(file.tensorIndex(named: donor))
    try RewrittenModel.write(
      model, to: other,
      streams: {
        if $0 == Self.scaled { $2 = try RewrittenModel.stream(donorIndex, $1, of: file) }
      })
    try expectOtherTensors(other, [Self.scaled])
  }

  private func expectOtherTensors(_ model: String, _ names: [String]) throws {
    expectDone(try Programs.varlite(["verify", model, "--quiet"]))
    let result = try check(model, "--json", "--quiet")
    #expect(result.status == Programs.Status.badInput, "\(result.errorText)")
    #expect(
      result.errorLines == [
        "varlite: \(model): the tensor does not belong to the model that the canaries were taken "
          + "from: \(names.joined(separator: ", ")); copy or convert the model again"
      ])
    let report = try JSONValue(parsing: result.text)
    #expect(report["verdict"]?.stringValue == "other tensors")
    #expect(report["other_tensors"] == .array(names.map { .string($0) }))
    let differing = (report["layers"]?.arrayValue ?? []).filter {
      $0["state"]?.stringValue != "asMade"
    }
    #expect(differing.map { $0["name"]?.stringValue } == ["llm.layers.1"])
  }

  /// The weights are right and no kernels give the stored bits, as in a program whose numbers have changed.
  @Test func anotherProgramIsToldApart() throws {
    let folder = TemporaryDirectory()
    let (model, other) = (folder.file("a.vq4"), folder.file("b.vq4"))
    try convert(model, "--precision", "int8", "--canaries")
    try RewrittenModel.write(
      model, to: other,
      attachments: { name, bytes in
        guard name == "canaries" else { return bytes }
        var bytes = bytes
        let label = Array("generator.blocks.0".utf8)
        let place = bytes.indices.first { bytes[$0...].starts(with: label) }
        if let place { bytes[place + label.count] ^= 1 }
        return bytes
      })
    let result = try check(other, "--quiet")
    #expect(result.status == Programs.Status.checkFailed, "\(result.errorText)")
    #expect(result.errorText.contains("all kernels give other bits of generator.blocks.0"))
    #expect(result.errorText.contains("computes otherwise than varconvert"))
  }

  @Test func canariesThatCannotBeUsedAreRefused() throws {
    let folder = TemporaryDirectory()
    let (model, other) = (folder.file("a.vq4"), folder.file("b.vq4"))
    try convert(model, "--precision", "int8", "--canaries")
    try RewrittenModel.write(
      model, to: other, attachments: { $0 == "canaries" ? Array($1.dropLast()) : $1 })
    expectFailure(try check(other, "--quiet"), Programs.Status.badInput, "cannot be understood")
    expectFailure(
      try check(model, "--quiet", "--ram", "1M"), Programs.Status.noResources, "--ram")
    let least = try Programs.varconvert([
      Fixtures.path("tiny"), "-o", other, "--force", "--ram", "64M", "--canaries", "--quiet",
    ])
    #expect(least.status == Programs.Status.noResources, "\(least.errorText)")
  }
}
