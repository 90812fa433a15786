import VAREvaluation
import VARForcedRun
import VARLite
import VARVision

/// What a model makes of the cases by itself: answers, pictures that are judged, and pictures of given seeds.
struct FreeRun {
  private let model: Model
  /// What progress calls the model.
  private let name: String
  private let cases: AccuracyCases
  private let forced: [ForcedCase]
  private let options: AccuracyRun.Options

  init(
    _ model: Model, _ name: String, cases: AccuracyCases, forced: [ForcedCase],
    _ options: AccuracyRun.Options
  ) {
    self.model = model
    self.name = name
    self.cases = cases
    self.forced = forced
    self.options = options
  }

  func outcomes() throws -> EvaluationReport {
    switch cases {
    case .shipped:
      var report = EvaluationReport()
      let questions = forced.filter { $0.picture == nil }
      for (index, item) in questions.enumerated() {
        options.progress("\(name), answers", index, questions.count)
        let answer = try model.run(item.request, stop: options.stop)
        report.add(
          answer: answer.text,
          to: .init(id: "\(index)", kind: "scene", image: "", question: "", answer: item.answer))
      }
      return report
    case .set(let set):
      let parts: [EvaluationRun.Part] =
        options.judgesDrawings ? [.vqa, .generation, .edit] : [.vqa]
      let run = EvaluationRun(model, set: set, parts: parts, limit: options.limit)
      return try run.run(stop: options.stop) {
        options.progress("\(name), \($0.rawValue)", $1, $2)
      }
    }
  }

  /// Requests for the pictures of the first cases that have one, of seeds from 0 on.
  static func drawings(_ forced: [ForcedCase], count: Int) -> [Request] {
    forced.filter { $0.picture != nil }.prefix(count).enumerated().map { index, item in
      var request = item.request
      var drawing = DrawingRequest(seed: UInt64(index))
      drawing.start = .atOnce
      request.drawing = drawing
      return request
    }
  }

  /// What the model draws for them.
  ///
  /// - Parameter earlier: the first pictures, where they were drawn before.
  func pictures(after earlier: [RGBImage] = []) throws(VARLiteError) -> [RGBImage] {
    let requests = Self.drawings(forced, count: options.pictureCount)
    var pictures = earlier
    while pictures.count < requests.count {
      options.progress("\(name), pictures", pictures.count, requests.count)
      let response = try model.run(requests[pictures.count], stop: options.stop)
      pictures.append(try response.requiredPicture())
    }
    return pictures
  }
}
