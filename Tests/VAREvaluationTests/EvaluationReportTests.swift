import Testing
import VAREvaluation
import VARJSON
import VARTestSupport
import VARVision

@Suite struct EvaluationReportTests {
  static func results() throws -> JSONValue {
    try JSONValue(parsing: Fixtures.bytes("shapes-eval/results.json"))
  }

  /// A report of the reference's answers and, for pictures, of the true renderings.
  static func report() throws -> EvaluationReport {
    let set = SceneJudgeTests.set
    let answers = try #require(try results()["vqa_answers"])
    var report = EvaluationReport()
    for question in set.questions {
      // The reference lists the short answers only.
      guard let text = answers[question.id]?.stringValue else { continue }
      report.add(answer: text, to: question)
    }
    for drawing in set.generations {
      let image = try SceneJudgeTests.target(drawing)
      let verdict = try SceneJudgeTests.judge.judge(image, against: drawing.scene)
      report.add(
        .init(drawing, image, target: image, verdict: verdict, isReplyExact: true),
        to: .generation)
    }
    return report
  }

  @Test func totalsEqualTheReferences() throws {
    let json = try Self.report().json
    let reference = try Self.results()
    let keys = ["bg", "color", "count", "exist", "size", "where", "what_at", "shape_of_color"]
    for key in keys {
      #expect(
        json["vqa"]?["by_kind"]?[key]?.doubleValue
          == reference["vqa"]?["by_kind"]?[key]?.doubleValue, "\(key)")
    }
    #expect(
      json["vqa"]?["exact_match_without_describe"]?.doubleValue
        == reference["vqa"]?["exact_match_without_describe"]?.doubleValue)
    let generation = json["generation"]
    #expect(generation?["objects"] == reference["generation_cfg1"]?["objects"])
    #expect(generation?["scene_exact_acc"]?.doubleValue == 1)
    #expect(generation?["psnr_to_target_db"]?.doubleValue == 99)
    #expect(json["generation_cases"]?["gen-000"]?["scene_ok"] == .bool(true))
    #expect(json["edit"] == nil)
    #expect(json.text == (try Self.report().json.text))
  }

  @Test func casesPairUpWithTheReference() throws {
    let comparison = EvaluationComparison(
      try Self.report(), reference: try Self.results(), answers: SceneJudgeTests.set.answers)
    #expect(comparison.parts.map(\.name) == ["vqa", "generation"])
    let answers = comparison.parts[0]
    #expect(answers.sameAnswers == answers.caseCount)
    #expect(answers.onlyThisRight == 0 && answers.onlyReferenceRight == 0)
    let pictures = comparison.parts[1]
    // The reference has 94.5 % of 200 scenes right, the true renderings all.
    #expect(pictures.bothRight == 189 && pictures.onlyThisRight == 11)
    #expect(pictures.bothWrong == 0 && pictures.onlyReferenceRight == 0)
    // Wilson's interval of 200 of 200: 1 / (1 + z² / n) to 1.
    #expect(pictures.rightShare.upperBound == 1)
    #expect(abs(pictures.rightShare.lowerBound - 1 / (1 + 1.96 * 1.96 / 200)) < 1e-12)
  }

  @Test func answersCompareByteForByte() throws {
    var report = EvaluationReport()
    let question = EvaluationSet.QuestionCase(
      id: "q", kind: "color", image: "", question: "", answer: "Café.")
    report.add(answer: "Cafe\u{301}.", to: question)
    report.add(answer: "Café.", to: question)
    #expect(report.answers.map(\.isExact) == [false, true])
    #expect(report.summary == "vqa: 1 of 2 answers exact (50.0 %)")
  }

  @Test func noiseRatioIsThatOfTheFormula() {
    let black = RGBImage(width: 1, height: 1, pixels: [0, 0, 0])
    let grey = RGBImage(width: 1, height: 1, pixels: [51, 51, 51])
    // A ratio of 5 in amplitude: 20 log10 5.
    #expect(abs(peakSignalToNoise(black, grey) - 13.979400086720376) < 1e-12)
    #expect(peakSignalToNoise(black, black) == 99)
    for exponent in -8...8 {
      var value = 1.0
      for _ in 0..<abs(exponent) { value *= exponent < 0 ? 0.1 : 10 }
      #expect(abs(decimalLogarithm(value) - Double(exponent)) < 1e-13)
    }
  }
}
