import VAREvaluation
import VARForcedRun
import VARLite
import VARModels
import VARSystem
import VARVision

/// Holds models against a reference of the same weights in a higher precision.
///
/// 1. The reference reads all cases, answers and pictures being given (`ForcedRun`). What it says is kept; the inputs
///    of its layers are shown to the same layers of all models.
/// 2. Each model reads the same tokens and bits, and what it says is held against what the reference said.
/// 3. Reference and models answer the questions by themselves and, where that is asked for, draw: pictures that are
///    judged, and pictures that are held against the reference's of the same seed.
package struct AccuracyRun {
  private let reference: Model
  private let models: [Model]
  private let cases: AccuracyCases
  private let options: Options

  package struct Options {
    /// Cases of each kind at most.
    package var limit = Int.max
    /// Whether the pictures of the cases are drawn freely and judged.
    package var judgesDrawings = false
    /// Pictures of the same seed that are compared.
    package var pictureCount = 0
    /// A folder for what the reference says.
    package var spoolFolder: String
    package var stop: StopSignal
    /// Told what begins, and how many of all its steps are done.
    package var progress: (_ step: String, _ done: Int, _ count: Int) -> Void

    package init(
      spoolFolder: String, stop: StopSignal,
      progress: @escaping (_ step: String, _ done: Int, _ count: Int) -> Void
    ) {
      self.spoolFolder = spoolFolder
      self.stop = stop
      self.progress = progress
    }
  }

  /// - Throws: `VARLiteError` of the code `model` for models of other networks than the reference's.
  package init(
    _ models: [Model], against reference: Model, cases: AccuracyCases, _ options: Options
  ) throws(VARLiteError) {
    for model in models where model.configuration != reference.configuration {
      throw VARLiteError(
        .model,
        "\(model.path): has another configuration than \(reference.path); compare models of the "
          + "same weights")
    }
    self.reference = reference
    self.models = models
    self.cases = cases
    self.options = options
  }

  /// What came of each model, in their order.
  ///
  /// - Throws: `VARLiteError`; with `cancelled` where it was stopped, `file` where what the reference says cannot be
  ///   kept.
  package func run() throws -> [ModelAccuracy] {
    do {
      return try measured()
    } catch let error as ModelError {
      throw VARLiteError(error)
    } catch let error as SystemError {
      throw VARLiteError(
        .file,
        "\(options.spoolFolder): what the reference says cannot be kept there: "
          + "\(error.message)\(error.advice); set TMPDIR")
    }
  }

  private func measured() throws -> [ModelAccuracy] {
    let forced = try cases.forced(for: reference, limit: options.limit)
    let prepared = try PreparedCase.prepare(forced, reference, runOptions(reference, "reference"))
    for model in models { try ForcedRun.require(model, for: forced) }
    let spool = try OutputSpool(folder: options.spoolFolder)
    let watcher = try ReferenceWatcher(
      reference, against: models, cases: prepared, spool: spool)
    try run(reference, "reference", prepared, watcher)
    let expected = try outcomes(reference, "reference", forced)
    let drawings = FreeDrawings(forced, count: options.pictureCount)
    let pictures = try draw(drawings, reference, "reference")
    return try zip(models, watcher.outputs).enumerated().map { index, pair in
      let (model, outputs) = pair
      let name = models.count == 1 ? "model" : "model \(index + 1) of \(models.count)"
      let watcher = DivergenceWatcher(spool, cases: prepared)
      try run(model, name, prepared, watcher)
      let outcomes = try outcomes(model, name, forced)
      let pairs = zip(try draw(drawings, model, name), zip(pictures, drawings.requests)).map {
        PicturePair(prompt: $1.1.messages.last?.text ?? "", reference: $1.0, drawn: $0)
      }
      return ModelAccuracy(
        model, outputs, watcher, EvaluationComparison(outcomes, reference: expected), pairs)
    }
  }

  private func draw(_ drawings: FreeDrawings, _ model: Model, _ name: String) throws -> [RGBImage] {
    try drawings.pictures(by: model, stop: options.stop) {
      options.progress("\(name), pictures", $0, drawings.requests.count)
    }
  }

  private func runOptions(_ model: Model, _ name: String) -> ForcedRun.Options {
    var run = ForcedRun.Options(
      isCancelled: { options.stop.requested == .now },
      progress: { options.progress("\(name), \($0)", $1, $2) })
    run.residency = .map
    run.kvType = model.kvType
    return run
  }

  private func run(
    _ model: Model, _ name: String, _ cases: [PreparedCase], _ watcher: any ForcedRunWatcher
  ) throws {
    try ForcedRun(model, cases: cases, runOptions(model, name), watcher: watcher).run()
  }

  /// What a model makes of the cases by itself.
  private func outcomes(
    _ model: Model, _ name: String, _ forced: [ForcedCase]
  ) throws -> EvaluationReport {
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
}
