import VARJSON

/// Which cases two runs share: a quantized run against a reference, case by case.
package struct EvaluationComparison: Sendable, Equatable {
  /// How the outcomes of one part pair up.
  package struct Part: Sendable, Equatable {
    package let name: String
    /// Cases of either outcome in both runs.
    package internal(set) var bothRight = 0
    package internal(set) var bothWrong = 0
    package internal(set) var onlyThisRight = 0
    package internal(set) var onlyReferenceRight = 0
    /// Questions that both runs answered in the same words; nil for pictures.
    package internal(set) var sameAnswers: Int?

    package var caseCount: Int { bothRight + bothWrong + onlyThisRight + onlyReferenceRight }
    package var rightCount: Int { bothRight + onlyThisRight }

    /// Where the share of right cases lies with 95 % confidence, were there more of them (E. B. Wilson, 1927).
    package var rightShare: ClosedRange<Double> {
      guard caseCount > 0 else { return 0...1 }
      let (count, share, z) = (Double(caseCount), Double(rightCount) / Double(caseCount), 1.96)
      let centre = share + z * z / (2 * count)
      let half = z * (share * (1 - share) / count + z * z / (4 * count * count)).squareRoot()
      let total = 1 + z * z / count
      return max(0, (centre - half) / total)...min(1, (centre + half) / total)
    }
  }

  package let parts: [Part]

  /// Pairs a report with a reference in the form of `results.json` or of ``EvaluationReport/json``.
  ///
  /// Parts and cases that only one of them has are left out. The reference may name its guidance
  /// (`generation_cfg1_cases`); `guidance` says which to take, for example `cfg1`.
  ///
  /// - Parameter answers: the right ones, by the questions' ids.
  package init(
    _ report: EvaluationReport, reference: JSONValue, answers expected: [String: String],
    guidance: String = "cfg1"
  ) {
    var parts: [Part] = []
    if let answers = reference["vqa_answers"] {
      var part = Part(name: "vqa")
      part.sameAnswers = 0
      for answer in report.answers {
        guard let text = answers[answer.id]?.stringValue, let right = expected[answer.id] else {
          continue
        }
        part.add(isThisRight: answer.isExact, isReferenceRight: text.utf8.elementsEqual(right.utf8))
        if text.utf8.elementsEqual(answer.text.utf8) { part.sameAnswers? += 1 }
      }
      parts.append(part)
    }
    for task in EvaluationReport.Task.allCases {
      let name = task.rawValue
      guard
        let cases = reference["\(name)_\(guidance)_cases"] ?? reference["\(name)_cases"]
      else { continue }
      var part = Part(name: name)
      for drawing in report.drawings[task] ?? [] {
        guard let isRight = cases[drawing.id]?["scene_ok"]?.boolValue else { continue }
        part.add(isThisRight: drawing.verdict.isExact, isReferenceRight: isRight)
      }
      parts.append(part)
    }
    self.parts = parts.filter { $0.caseCount > 0 }
  }

  /// An object with one member for each part.
  package var json: JSONValue {
    .object(
      JSONObject(
        parts.map { part in
          var members: [(String, JSONValue)] = [
            ("cases", .integer(part.caseCount)),
            ("both_right", .integer(part.bothRight)),
            ("both_wrong", .integer(part.bothWrong)),
            ("only_this_right", .integer(part.onlyThisRight)),
            ("only_reference_right", .integer(part.onlyReferenceRight)),
            (
              "right_share_95",
              .array([.number(part.rightShare.lowerBound), .number(part.rightShare.upperBound)])
            ),
          ]
          if let count = part.sameAnswers { members.append(("same_answers", .integer(count))) }
          return (part.name, .object(JSONObject(members)))
        }))
  }
}

extension EvaluationComparison.Part {
  mutating func add(isThisRight: Bool, isReferenceRight: Bool) {
    switch (isThisRight, isReferenceRight) {
    case (true, true): bothRight += 1
    case (false, false): bothWrong += 1
    case (true, false): onlyThisRight += 1
    case (false, true): onlyReferenceRight += 1
    }
  }
}
