import VARLite
import VARVision

/// Runs a model over an evaluation set: greedy text, the more probable bits, the model's own guidance.
public struct EvaluationRun {
  /// A kind of case.
  public enum Part: String, Sendable, CaseIterable {
    case vqa, generation, edit, vae
  }

  public let model: VARGPT
  /// A model to hold the other against, bit by bit and picture by picture.
  public let reference: VARGPT?
  public let set: EvaluationSet
  public let parts: [Part]
  /// Cases of each part to run at most.
  public let limit: Int

  public init(
    _ model: VARGPT, reference: VARGPT? = nil, set: EvaluationSet, parts: [Part] = Part.allCases,
    limit: Int = .max
  ) {
    self.model = model
    self.reference = reference
    self.set = set
    self.parts = parts
    self.limit = limit
  }

  /// - Parameter progress: called before each case with the part, finished cases and all cases.
  public func run(
    isCancelled: @escaping () -> Bool = { false }, progress: (Part, Int, Int) -> Void
  ) throws -> (report: EvaluationReport, fidelity: Fidelity?) {
    var report = EvaluationReport()
    var fidelity = Fidelity()
    let judge = SceneJudge(set: set)
    for part in parts {
      switch part {
      case .vqa:
        try each(set.questions, part, progress) { question in
          let prompt = try self.prompt(question.question, picture: question.image)
          let answer = try model.understand(prompt, isCancelled: isCancelled)
          report.add(answer: answer.text, to: question)
          if let reference {
            fidelity.add(
              sameAnswer: try reference.understand(prompt, isCancelled: isCancelled).text
                == answer.text)
          }
        }
      case .generation, .edit:
        try each(part == .edit ? set.edits : set.generations, part, progress) { drawing in
          let prompt = try self.prompt(drawing.instruction, picture: drawing.source)
          let drawn = try draw(model, prompt, isCancelled: isCancelled)
          try add(drawn, to: drawing, part, judge, &report)
          try compare(drawn, prompt, &fidelity, isCancelled)
        }
      case .vae:
        try each(set.generations, part, progress) { drawing in
          let target = try picture(drawing.target)
          let image = try model.reconstruct(target, isCancelled: isCancelled).image
          let verdict = try judge.judge(image, against: drawing.scene)
          report.add(
            image, verdict: verdict, target: target, isReplyExact: true, for: drawing, task: .vae)
        }
      }
    }
    return (report, reference == nil ? nil : fidelity)
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
    try ImageDecoder.decode(path: set.path(name))
  }

  private func prompt(_ text: String, picture name: String?) throws -> Prompt {
    Prompt(text, images: try name.map { [try picture($0)] } ?? [])
  }

  private func draw(
    _ model: VARGPT, _ prompt: Prompt, forcedBits: [[UInt8]]? = nil,
    isCancelled: @escaping () -> Bool
  ) throws -> Drawing? {
    do {
      return try model.draw(
        prompt, options: DrawingOptions(isGreedy: true), letsModelDecide: true,
        forcedBits: forcedBits, isCancelled: isCancelled)
    } catch let error as GenerationError where error.code == .nothingDrawn {
      return nil
    }
  }

  private func add(
    _ drawn: Drawing?, to drawing: EvaluationSet.DrawingCase, _ part: Part, _ judge: SceneJudge,
    _ report: inout EvaluationReport
  ) throws {
    let target = try picture(drawing.target)
    // A model that does not draw gets the verdict of a black picture.
    let image =
      drawn?.image
      ?? RGBImage(
        width: target.width, height: target.height,
        pixels: [UInt8](repeating: 0, count: target.pixels.count))
    let reply = part == .edit ? set.editReply : set.generationReply
    let verdict = try judge.judge(image, against: drawing.scene)
    // The space before a picture belongs to neither.
    let isReplyExact = drawn?.text == reply
    report.add(
      image, verdict: verdict, target: target, isReplyExact: isReplyExact, for: drawing,
      task: part == .edit ? .edit : .generation)
  }

  private func compare(
    _ drawn: Drawing?, _ prompt: Prompt, _ fidelity: inout Fidelity,
    _ isCancelled: @escaping () -> Bool
  ) throws {
    guard let reference, let drawn else { return }
    guard let expected = try draw(reference, prompt, isCancelled: isCancelled),
      let forced = try draw(model, prompt, forcedBits: expected.bits, isCancelled: isCancelled)
    else { return }
    fidelity.add(
      bits: forced.ownBits, expected: expected.bits,
      psnrDecibels: peakSignalToNoise(drawn.image, expected.image))
  }
}
