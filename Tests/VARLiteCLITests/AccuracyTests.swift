import Testing
import VARJSON
import VARTestSupport

/// `varlite accuracy`.
@Suite struct AccuracyTests {
  /// The reference checkpoint, by precision.
  private static let models = Swift.Result<[String: [UInt8]], any Error> {
    let folder = TemporaryDirectory()
    return try ["f32", "int8", "int4"].reduce(into: [:]) { models, precision in
      expectDone(
        try Programs.varconvert([
          Fixtures.path("tiny"), "-o", folder.file(precision), "--precision", precision,
          "--no-preview-map", "--quiet",
        ]))
      models[precision] = try Fixtures.readFile(folder.file(precision))
    }
  }

  private func convert(_ precision: String, in folder: TemporaryDirectory) throws -> String {
    folder.write("\(precision).vq4", try #require(Self.models.get()[precision]))
    return folder.file("\(precision).vq4")
  }

  @Test func aModelEqualsItselfAndFourBitsDoNot() throws {
    let folder = TemporaryDirectory()
    let (exact, coarse) = (try convert("f32", in: folder), try convert("int4", in: folder))
    var documents: [JSONValue] = []
    for threads in ["1", "3"] {
      let result = try Programs.varlite(
        ["accuracy", exact, exact, coarse, "--limit", "2", "--json", "--quiet", "-t", threads])
      expectDone(result)
      documents.append(try JSONValue(parsing: result.output))
    }
    #expect(documents[0] == documents[1])
    let models = try #require(documents[0]["models"]?.arrayValue)
    #expect(models.count == 2)
    let same = try #require(models[0]["bits"])
    #expect(models[0]["output_error"]?.doubleValue == 0)
    for part in [same, try #require(models[0]["words"])] {
      #expect(part["kl_nats"]?["mean"]?.doubleValue == 0)
      #expect(part["kl_nats"]?["standard_error"]?.doubleValue == 0)
      #expect(part["kl_nats"]?["max"]?.doubleValue == 0)
      #expect(part["probability_change"]?["rms"]?.doubleValue == 0)
      #expect(part["same_top"]?["mean"]?.doubleValue == 1)
      #expect(
        part["perplexity"]?.doubleValue == part["perplexity_of_reference"]?.doubleValue)
    }
    let seen = try #require(models[0]["picture_embeddings"])
    #expect(seen["min"]?.doubleValue == 1 && seen["mean_cosine"]?.doubleValue == 1)
    let cosine = try #require(models[1]["picture_embeddings"]?["mean_cosine"]?.doubleValue)
    #expect(cosine < 1 && cosine > 0.9, "\(cosine)")
    let (error, bits) = (
      try #require(models[1]["output_error"]?.doubleValue), try #require(models[1]["bits"])
    )
    #expect(error > 0.03 && error < 0.15, "\(error)")
    let kl = try #require(bits["kl_nats"])
    let quantiles = try ["max", "99.9%", "99%", "95%", "90%", "median", "10%", "5%", "1%", "min"]
      .map { try #require(kl[$0]?.doubleValue) }
    // Divergences are not negative but for rounding.
    #expect(quantiles == quantiles.sorted(by: >) && quantiles[9] > -1e-9)
    #expect((quantiles[9]...quantiles[0]).contains(try #require(kl["mean"]?.doubleValue)))
    #expect(try #require(kl["standard_error"]?.doubleValue) > 0)
    #expect(try #require(models[1]["bits_per_weight"]?.doubleValue) < 5)
    let scales = try #require(models[1]["bits_per_scale"]?.arrayValue)
    #expect(scales.count > 1)
    #expect(
      scales.reduce(0) { $0 + ($1["count"]?.integerValue ?? 0) } == bits["count"]?.integerValue)
    // The mean of the places is that of the bits.
    let places = try #require(models[1]["kl_nats_per_token_of_scale"]?.arrayValue)
    for (scale, tokens) in zip(scales, places) {
      let values = (tokens.arrayValue ?? []).compactMap(\.doubleValue)
      let mean = try #require(scale["kl_nats"]?["mean"]?.doubleValue)
      #expect(abs(values.reduce(0, +) / Double(values.count) - mean) <= 1e-9 * mean)
    }
    #expect(documents[0]["date"]?.stringValue?.count == 10)
    let table = try Programs.varlite(["accuracy", exact, coarse, "--limit", "1", "--quiet"])
    expectDone(table)
    #expect(table.text.contains("KL/bit") && table.text.contains("KLD 99.9%"))
  }

  @Test func aBrokenBoundIsToldByTheExitCode() throws {
    let folder = TemporaryDirectory()
    let (exact, coarse) = (try convert("f32", in: folder), try convert("int4", in: folder))
    func run(_ flags: String...) throws -> ProgramRunner.Result {
      try Programs.varlite(["accuracy", exact, coarse, "--limit", "1", "--quiet"] + flags)
    }
    expectDone(try run("--max-kl", "10", "--max-token-kl", "10", "--min-bits", "1"))
    for (flags, says) in [
      (["--max-kl", "1e-9"], "KL per bit"), (["--max-token-kl", "1e-9"], "KL per token"),
      (["--min-bits", "100"], "equal bits"),
    ] {
      let result = try run(flags[0], flags[1])
      #expect(result.status == 1, "\(flags)")
      #expect(result.errorText.contains(says) && result.errorText.contains(coarse))
      // What was measured is told all the same.
      #expect(result.text.contains("KL/bit"))
    }
  }

  /// What a reference said serves the models after it, which are told apart as they were by the first run.
  @Test func whatTheReferenceSaidServesOtherModels() throws {
    let folder = TemporaryDirectory()
    let exact = try convert("f32", in: folder)
    let (fine, coarse) = (try convert("int8", in: folder), try convert("int4", in: folder))
    let outputs = folder.file("reference.outputs")
    func run(_ model: String, _ flags: [String]) throws -> ProgramRunner.Result {
      try Programs.varlite(
        ["accuracy", exact, model, "--limit", "2", "--pictures", "1", "--json", "--quiet"] + flags)
    }
    let kept = ["--reference-outputs", outputs]
    let first = try run(fine, kept)
    expectDone(first)
    let bytes = try Fixtures.readFile(outputs)
    let alone = try JSONValue(parsing: run(coarse, []).output)
    // The reference's weights are not read again.
    let weights = try Fixtures.readFile(exact)
    let middle = weights.count / 2
    folder.write(
      "f32.vq4",
      weights[..<middle] + weights[middle..<middle + 4096].map { ~$0 }
        + weights[(middle + 4096)...])
    expectFailure(try run(coarse, []), Programs.Status.badInput)
    let second = try run(coarse, kept)
    expectDone(second)
    #expect(try Fixtures.readFile(outputs) == bytes)
    #expect(try JSONValue(parsing: second.output) == alone)
    folder.write("f32.vq4", weights)

    // More pictures are added; other cases are others.
    expectDone(
      try Programs.varlite(
        ["accuracy", exact, coarse, "--limit", "2", "--pictures", "2", "--quiet"] + kept))
    #expect(try Fixtures.readFile(outputs).count > bytes.count)
    let other = try Programs.varlite(["accuracy", exact, coarse, "--limit", "1"] + kept)
    #expect(
      other.status == Programs.Status.noResources && other.errorText.contains("of other cases"))
    for (name, content) in [
      ("cut", Array(bytes.dropLast())), ("empty", []), ("changed", bytes.map { $0 ^ 1 }),
      ("flipped", bytes[..<5000] + [bytes[5000] ^ 4] + bytes[5001...]),
    ] {
      folder.write("damaged", content)
      let damaged = try run(coarse, ["--reference-outputs", folder.file("damaged")])
      #expect(damaged.status == Programs.Status.noResources, "\(name)")
      #expect(damaged.errorText.contains("is damaged"), "\(name) \(damaged.errorText)")
      #expect(try Fixtures.readFile(folder.file("damaged")) == content, "\(name)")
    }
    let answerless = try run(coarse, kept + ["--no-answers"])
    expectDone(answerless)
    let outcomes = try JSONValue(parsing: answerless.output)["models"]?.arrayValue?[0]["outcomes"]
    #expect(outcomes == .object(JSONObject()))
  }

  @Test func whatTakesMoreMemoryThanGrantedIsRefused() throws {
    let folder = TemporaryDirectory()
    let exact = try convert("f32", in: folder)
    let run = ["accuracy", exact, exact, "--limit", "1", "--quiet", "--no-answers"]
    let refused = try Programs.varlite(run + ["--ram", "40M"])
    #expect(refused.status == Programs.Status.noResources)
    let words = refused.errorText.split(whereSeparator: \.isWhitespace).map(String.init)
    let place = try #require(words.firstIndex(of: "--ram"), "\(refused.errorText)")
    // What it asks for is enough.
    expectDone(try Programs.varlite(run + ["--ram", words[place + 1]]))
  }

  @Test func theReportIsOnePageThatLoadsNothing() throws {
    let folder = TemporaryDirectory()
    let (exact, coarse) = (try convert("f32", in: folder), try convert("int4", in: folder))
    let page = folder.file("report.html")
    expectDone(
      try Programs.varlite([
        "accuracy", exact, coarse, "--limit", "1", "--quiet", "-o", page, "--pictures", "1",
      ]))
    let text = String(decoding: try Fixtures.readFile(page), as: UTF8.self)
    for word in ["http:", "https:", "<script", "<link", "url("] { #expect(!text.contains(word)) }
    for name in ["html", "table", "svg", "tr", "td", "th", "h2", "h3", "g", "title", "dl"] {
      let opened = text.ranges(of: "<\(name)>").count + text.ranges(of: "<\(name) ").count
      #expect(opened > 0 && opened == text.ranges(of: "</\(name)>").count, "\(name)")
    }
    // The reference, the model and what differs.
    #expect(text.ranges(of: "data:image/png;base64,").count == 3)
    #expect(text.contains("vargpt_gen.head.weight"))
    // Neither the table nor the page knows of the other.
    let missing = try Programs.varlite([
      "accuracy", exact, coarse, "--limit", "1", "--quiet", "-o", "\(folder.path)/none/report.html",
    ])
    #expect(missing.status == Programs.Status.noResources && missing.errorText.contains("none"))
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
      ([tiny, tiny, "--reference-outputs", tiny], Programs.Status.noResources, "is damaged"),
      ([tiny, tiny, "--reference-outputs", "-"], Programs.Status.usage, "names a file"),
      ([tiny, tiny, "--pictures", "-1"], Programs.Status.usage, "--pictures"),
      ([tiny, tiny, "--max-kl", "nan"], Programs.Status.usage, "--max-kl"),
      ([tiny, tiny, "--min-bits", "101"], Programs.Status.usage, "--min-bits"),
      ([tiny, tiny, "--cases", folder.path], Programs.Status.badInput, "eval.json"),
    ] {
      let result = try Programs.varlite(["accuracy", "--quiet"] + arguments)
      #expect(result.status == status, "\(arguments) \(result.errorText)")
      #expect(result.errorText.contains(text), "\(result.errorText)")
    }
  }
}
