import Testing
import VARJSON
import VARTestSupport

/// `varlite accuracy`.
@Suite struct AccuracyTests {
  private func convert(_ precision: String, in folder: TemporaryDirectory) throws -> String {
    let path = folder.file("\(precision).vq4")
    expectDone(
      try Programs.varconvert(
        [Fixtures.path("tiny"), "-o", path, "--precision", precision, "--quiet"]))
    return path
  }

  @Test func aModelEqualsItselfAndFourBitsDoNot() throws {
    let folder = TemporaryDirectory()
    let (exact, coarse) = (try convert("f32", in: folder), try convert("int4", in: folder))
    var documents: [JSONValue] = []
    for threads in ["1", "3"] {
      let result = try Programs.varlite(
        ["accuracy", exact, exact, coarse, "--limit", "1", "--json", "--quiet", "-t", threads])
      expectDone(result)
      documents.append(try JSONValue(parsing: result.output))
    }
    #expect(documents[0] == documents[1])
    let models = try #require(documents[0]["models"]?.arrayValue)
    #expect(models.count == 2)
    let same = try #require(models[0]["bits"])
    #expect(models[0]["output_error"]?.doubleValue == 0)
    #expect(same["mean_kl_nats"]?.doubleValue == 0)
    #expect(same["equal"]?.integerValue == same["count"]?.integerValue)
    #expect(models[0]["words"]?["mean_kl_nats"]?.doubleValue == 0)
    let (error, bits) = (
      try #require(models[1]["output_error"]?.doubleValue), try #require(models[1]["bits"])
    )
    #expect(error > 0.03 && error < 0.15, "\(error)")
    #expect(try #require(bits["mean_kl_nats"]?.doubleValue) > 0)
    #expect(try #require(models[1]["bits_per_weight"]?.doubleValue) < 5)
    #expect(bits["per_scale"]?.arrayValue?.count ?? 0 > 1)
    #expect(documents[0]["date"]?.stringValue?.count == 10)
    let table = try Programs.varlite(["accuracy", exact, coarse, "--limit", "1", "--quiet"])
    expectDone(table)
    #expect(table.text.contains("KL/bit"))
  }

  @Test func whatCannotBeComparedIsTold() throws {
    let folder = TemporaryDirectory()
    let tiny = try convert("f32", in: folder)
    folder.write("notes", "Not a model.")
    let demo = Fixtures.path("../../Sources/CVARDemoModel/Resources/shapes.vq4")
    for (arguments, status, text) in [
      ([tiny, demo], Programs.Status.badInput, "configuration"),
      ([tiny, folder.file("notes")], Programs.Status.badInput, "notes"),
      ([tiny, folder.file("none")], Programs.Status.badInput, "none"),
      ([tiny, tiny, "--draw"], Programs.Status.usage, "--cases"),
      ([tiny, tiny, "--limit", "0"], Programs.Status.usage, "--limit"),
      ([tiny, tiny, "--cases", folder.path], Programs.Status.badInput, "eval.json"),
    ] {
      let result = try Programs.varlite(["accuracy", "--quiet"] + arguments)
      #expect(result.status == status, "\(arguments) \(result.errorText)")
      #expect(result.errorText.contains(text), "\(result.errorText)")
    }
  }
}
