import VARLite
import VARVision

/// Runs a model over an evaluation set: greedy text, the more probable bits, and the model's own guidance unless told
/// otherwise.
package struct EvaluationRun {
  /// A kind of case.
  package enum Part: String, Sendable, CaseIterable {
    case vqa, generation, edit, vae
  }

  package let model: Model
  package let set: EvaluationSet
  package let parts: [Part]
  /// Cases of each part to run at most.
  package let limit: Int
  /// How pictures are drawn.
  package let drawing: DrawingRequest

  package init(
    _ model: Model, set: EvaluationSet, parts: [Part] = Part.allCases, limit: Int = .max,
    drawing: DrawingRequest = Self.drawing
  ) {
    self.model = model
    self.set = set
    self.parts = parts
    self.limit = limit
    self.drawing = drawing
  }

  /// The more probable bits, where the model starts a picture by itself.
  package static var drawing: DrawingRequest {
    var drawing = DrawingRequest(isGreedy: true)
    drawing.start = .whereTheModelStarts
    return drawing
  }

  /// - Parameters:
  ///   - answered: called with each request and what the model gave for it.
  ///   - progress: called before each case with the part, finished cases and all cases.
  package func run(
    stop: StopSignal = StopSignal(), answered: (Request, Response) throws -> Void = { _, _ in },
    progress: (Part, Int, Int) -> Void
  ) throws -> EvaluationReport {
    var report = EvaluationReport()
    let judge = SceneJudge(set: set)
    for part in parts {
      switch part {
      case .vqa:
        try each(set.questions, part, progress) { question in
          let request = try request(question.question, picture: question.image)
          let answer = try model.run(request, stop: stop)
          report.add(answer: answer.text, to: question)
          try answered(request, answer)
        }
      case .generation, .edit:
        try each(part == .edit ? set.edits : set.generations, part, progress) { item in
          var request = try request(item.instruction, picture: item.source)
          request.drawing = drawing
          let drawn = try model.run(request, stop: stop)
          try add(drawn, to: item, part, judge, &report)
          try answered(request, drawn)
        }
      case .vae:
        try each(set.generations, part, progress) { drawing in
          let target = try target(drawing)
          let image = try model.reconstruct(target, stop: stop).picture
          let verdict = try judge.judge(image, against: drawing.scene)
          report.add(
            .init(drawing, image, target: target, verdict: verdict, isReplyExact: true), to: .vae)
        }
      }
    }
    return report
  }

  private func each<Case>(
    _ cases: [Case], _ part: Part, _ progress: (Part, Int, Int) -> Void,
    _ body: (Case) throws -> Void
  ) throws {
    let count = min(cases.count, limit)
    for (index, item) in cases.prefix(count).enumerated() {
      progress(part, index, count)
      try body(item)
    }
    progress(part, count, count)
  }

  private func picture(_ name: String) throws -> RGBImage {
    try ImageDecoder.decode(path: set.path(name), limits: EvaluationSet.pictureLimits)
  }

  /// The true rendering of a case.
  private func target(_ drawing: EvaluationSet.DrawingCase) throws -> RGBImage {
    let image = try picture(drawing.target)
    guard image.width == set.imageSize, image.height == set.imageSize else {
      throw EvaluationError(
        .wrongImageSize, path: set.path(drawing.target),
        "\(image.width) x \(image.height) pixels, where \(set.imageSize) x \(set.imageSize) are "
          + "expected; \"image_size\" of eval.json is that of all its pictures")
    }
    return image
  }

  private func request(_ text: String, picture name: String?) throws -> Request {
    Request(
      messages: [
        try Message(typed: text, pictures: name.map { [Picture(try picture($0))] } ?? [])
      ])
  }

  private func add(
    _ drawn: Response, to drawing: EvaluationSet.DrawingCase, _ part: Part, _ judge: SceneJudge,
    _ report: inout EvaluationReport
  ) throws {
    let target = try target(drawing)
    // A model that does not draw gets the verdict of a black picture.
    let image =
      drawn.picture
      ?? RGBImage(
        width: target.width, height: target.height,
        pixels: [UInt8](repeating: 0, count: target.pixels.count))
    let reply = part == .edit ? set.editReply : set.generationReply
    let verdict = try judge.judge(image, against: drawing.scene)
    // The space before a picture belongs to neither.
    let isReplyExact = drawn.text == reply
    report.add(
      .init(drawing, image, target: target, verdict: verdict, isReplyExact: isReplyExact),
      to: part == .edit ? .edit : .generation)
  }
}
