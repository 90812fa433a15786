import VARJSON
import VARVision

/// What a model achieved on the evaluation set, case by case and in total.
///
/// Filled in any order of kinds, in the order of the cases within a kind; figures use the names of `results.json`.
package struct EvaluationReport: Sendable {
  /// The answer to one question.
  package struct Answer: Sendable, Equatable {
    package let id, kind, text: String
    package let isExact: Bool
  }

  /// One judged picture.
  package struct Drawing: Sendable, Equatable {
    package let id, kind: String
    package let verdict: SceneVerdict
    /// Against the true rendering, in dB.
    package let psnrDecibels: Double
    /// Whether the words before the picture were the expected ones.
    package let isReplyExact: Bool

    /// - Parameter target: the true rendering, of the same extents.
    package init(
      _ drawing: EvaluationSet.DrawingCase, _ image: RGBImage, target: RGBImage,
      verdict: SceneVerdict, isReplyExact: Bool
    ) {
      (id, kind) = (drawing.id, drawing.kind)
      self.verdict = verdict
      psnrDecibels = peakSignalToNoise(image, target)
      self.isReplyExact = isReplyExact
    }
  }

  /// The kinds of pictures that are judged.
  package enum Task: String, Sendable, CaseIterable { case generation, edit, vae }

  package private(set) var answers: [Answer] = []
  package private(set) var drawings: [Task: [Drawing]] = [:]

  package init() {}

  /// Adds an answer, special tokens dropped; it must equal the expected one byte for byte.
  package mutating func add(answer: String, to question: EvaluationSet.QuestionCase) {
    answers.append(
      Answer(
        id: question.id, kind: question.kind, text: answer,
        isExact: answer.utf8.elementsEqual(question.answer.utf8)))
  }

  /// Adds a judged picture.
  package mutating func add(_ drawing: Drawing, to task: Task) {
    drawings[task, default: []].append(drawing)
  }
}

extension EvaluationReport {
  /// Totals, then the outcome of each case; a part without cases is left out.
  package var json: JSONValue {
    var root = JSONObject()
    if !answers.isEmpty {
      root["vqa"] = answerTotals
      root["vqa_answers"] = .object(JSONObject(answers.map { ($0.id, .string($0.text)) }))
    }
    for task in Task.allCases {
      guard let cases = drawings[task] else { continue }
      root[task.rawValue] = totals(of: cases, task: task)
      root["\(task.rawValue)_cases"] = .object(
        JSONObject(
          cases.map {
            let outcome = JSONObject([
              ("scene_ok", .bool($0.verdict.isExact)),
              ("psnr_to_target", .number(rounded($0.psnrDecibels, 100))),
            ])
            return ($0.id, .object(outcome))
          }))
    }
    return .object(root)
  }

  /// One line per part, for people.
  package var summary: String {
    var lines: [String] = []
    if !answers.isEmpty {
      let right = answers.count(where: \.isExact)
      lines.append(
        "vqa: \(right) of \(answers.count) answers exact (\(percent(right, answers.count)))")
    }
    for task in Task.allCases {
      guard let cases = drawings[task] else { continue }
      let right = cases.count(where: \.verdict.isExact)
      let objects = cases.flatMap(\.verdict.objects)
      lines.append(
        "\(task.rawValue): \(right) of \(cases.count) scenes exact "
          + "(\(percent(right, cases.count))), "
          + "\(percent(objects.count(where: \.isExact), objects.count)) of the objects, "
          + "\(rounded(meanDecibels(cases), 100)) dB to the target")
    }
    return lines.joined(separator: "\n")
  }

  private var answerTotals: JSONValue {
    let short = answers.filter { $0.kind != "describe" }
    return .object(
      JSONObject([
        ("cases", .integer(answers.count)),
        ("exact_match", share(answers, \.isExact)),
        ("exact_match_without_describe", share(short, \.isExact)),
        ("by_kind", byKind(answers, kind: \.kind, \.isExact)),
      ]))
  }

  private func totals(of cases: [Drawing], task: Task) -> JSONValue {
    let objects = cases.flatMap(\.verdict.objects)
    return .object(
      JSONObject([
        ("cases", .integer(cases.count)),
        ("objects", .integer(objects.count)),
        ("color_acc", share(objects, \.isColorRight)),
        ("shape_acc", share(objects, \.isShapeRight)),
        ("size_acc", share(objects, \.isSizeRight)),
        ("object_exact_acc", share(objects, \.isExact)),
        ("background_acc", share(cases, \.verdict.isBackgroundRight)),
        ("no_extra_acc", share(cases) { $0.verdict.extraObjectCount == 0 }),
        ("scene_exact_acc", share(cases, \.verdict.isExact)),
        ("psnr_to_target_db", .number(rounded(meanDecibels(cases), 100))),
        ("reply_exact", share(cases, \.isReplyExact)),
        ("by_kind_scene_exact", byKind(cases, kind: \.kind, \.verdict.isExact)),
      ]))
  }

  /// The share to four decimals; null of nothing.
  private func share<Element>(_ elements: [Element], _ isRight: (Element) -> Bool) -> JSONValue {
    guard !elements.isEmpty else { return .null }
    return .number(rounded(Double(elements.count(where: isRight)) / Double(elements.count), 10_000))
  }

  private func byKind<Element>(
    _ elements: [Element], kind: (Element) -> String, _ isRight: (Element) -> Bool
  ) -> JSONValue {
    let kinds = Set(elements.map(kind)).sorted()
    return .object(
      JSONObject(kinds.map { name in (name, share(elements.filter { kind($0) == name }, isRight)) })
    )
  }

  private func meanDecibels(_ cases: [Drawing]) -> Double {
    cases.reduce(0) { $0 + $1.psnrDecibels } / Double(cases.count)
  }

  private func percent(_ count: Int, _ total: Int) -> String {
    total == 0 ? "none" : "\(rounded(Double(count) * 100 / Double(total), 10)) %"
  }
}

private func rounded(_ value: Double, _ unit: Double) -> Double { (value * unit).rounded() / unit }
