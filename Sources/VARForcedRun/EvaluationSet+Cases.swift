import VAREvaluation
import VARLite
import VARVision

extension EvaluationSet {
  /// Questions with their answers, then drawings and edits with the pictures that should come.
  ///
  /// - Parameter limit: cases of each kind at most.
  package func forcedCases(limit: Int = .max) throws -> [ForcedCase] {
    let answered = try questions.prefix(limit).map {
      ForcedCase(try request($0.question, picture: $0.image), answer: $0.answer)
    }
    let drawn = try (generations.prefix(limit) + edits.prefix(limit)).map {
      ForcedCase(
        try request($0.instruction, picture: $0.source),
        answer: $0.source == nil ? generationReply : editReply, picture: try picture($0.target))
    }
    return answered + drawn
  }

  private func request(_ text: String, picture name: String?) throws -> Request {
    Request(messages: [try Message(typed: text, pictures: name.map { [try picture($0)] } ?? [])])
  }

  private func picture(_ name: String) throws -> Picture {
    Picture(try ImageDecoder.decode(path: path(name), limits: EvaluationSet.pictureLimits))
  }
}
