import VAREvaluation
import VARForcedRun
import VARJSON
import VARLite
import VARModels
import VARSystem
import VARVision

/// Holds models against a reference of the same weights in a higher precision.
///
/// 1. The reference reads all cases, answers and pictures being given (`ReferenceRun`). What it says is kept, and so
///    are some rows of what each of its layers gets and makes of it. It also answers the questions by itself and draws.
/// 2. Each model reads the same tokens and bits, and what it says is held against what the reference said
///    (`DivergenceWatcher`). Its layers get the rows that the reference's had (`LayerOutputs`).
/// 3. Each model answers and draws by itself (`FreeRun`): pictures that are judged, and pictures that are held against
///    the reference's of the same seed.
///
/// One model is read at a time, layer by layer: memory does not grow with the models.
package struct AccuracyRun {
  private let reference: Model
  private let models: [Model]
  private let cases: AccuracyCases
  private let options: Options

  package struct Options {
    /// Cases of each kind at most.
    package var limit = Int.max
    /// Whether the models answer the questions by themselves.
    package var asksForAnswers = true
    /// Whether the pictures of the cases are drawn freely and judged.
    package var judgesDrawings = false
    /// Pictures of the same seed that are compared.
    package var pictureCount = 0
    /// Where what the reference says stays for other models; nil keeps it for this run alone.
    package var referenceFile: String?
    /// A folder for what the reference says.
    package var spoolFolder: String
    /// Memory of the program before all that.
    package var programByteCount = (ProcessMemory.current() ?? .unknown).byteCount
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
  ///   kept, `memory` where the cases take more than the runtime has.
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
    for model in [reference] + models { try ForcedRun.require(model, for: forced) }
    let (outputs, prepared) = try ReferenceRun(
      reference, cases: cases, forced: forced, options
    ).outputs()
    let prompts = FreeRun.drawings(forced, count: options.pictureCount).map {
      $0.messages.last?.text ?? ""
    }
    return try models.enumerated().map { index, model in
      let name = models.count == 1 ? "model" : "model \(index + 1) of \(models.count)"
      let run = options.forcedRun(model, name)
      try options.requireMemory(model, prepared)
      let watcher = DivergenceWatcher(outputs, cases: prepared)
      try ForcedRun(model, cases: prepared, run, watcher: watcher).run()
      let errors = try LayerOutputs.errors(of: model, against: outputs.layers, run)
      let alone = FreeRun(model, name, cases: cases, forced: forced, options)
      let comparison = EvaluationComparison(
        options.asksForAnswers ? try alone.outcomes() : EvaluationReport(),
        reference: outputs.outcomes?.report ?? .object(JSONObject()),
        answers: cases.answers(forced))
      let pictures = zip(prompts, zip(outputs.pictures, try alone.pictures())).map {
        PicturePair(prompt: $0, reference: $1.0, drawn: $1.1)
      }
      return ModelAccuracy(model, errors, watcher, comparison, pictures)
    }
  }
}

extension AccuracyRun.Options {
  func forcedRun(_ model: Model, _ name: String) -> ForcedRun.Options {
    let (stop, progress) = (stop, progress)
    var run = ForcedRun.Options(
      isCancelled: { stop.requested == .now },
      progress: { progress("\(name), \($0)", $1, $2) })
    run.kvType = model.kvType
    return run
  }

  /// Throws `VARLiteError` where the cases take more than the runtime may. What the model's earlier requests left goes.
  func requireMemory(_ model: Model, _ cases: [PreparedCase]) throws(VARLiteError) {
    model.releaseUnused()
    guard let granted = model.runtime.options.memoryBudgetBytes else { return }
    let needed =
      ForcedRun.memoryByteCount(cases, model, rounds: false) + DivergenceWatcher.byteCount(cases)
      + programByteCount
    guard needed > granted else { return }
    throw VARLiteError(
      .memory,
      "\(model.path): the cases take \(needed) bytes of memory, \(granted) are granted; take "
        + "fewer cases, or grant more",
      remedies: [Remedy(.largerBudget, Remedy.budget(for: needed))])
  }
}
