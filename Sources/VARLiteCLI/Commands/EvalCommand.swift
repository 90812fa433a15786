import ArgumentParser
import VARAccuracy
import VAREvaluation
import VARJSON
import VARLite
import VARModels
import VARSharedCLI
import VARSystem

extension EvaluationRun.Part: ExpressibleByArgument {}

struct EvalCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "eval", abstract: "Scores a model on a folder of cases.",
    discussion: """
      DIR holds eval.json with questions, drawings and edits and their pictures. With \
      --reference the model is also held against another one: equal answers, equal bits with \
      the reference's history forced, PSNR of the pictures.
      """)

  @Argument(help: "The folder with eval.json.", completion: .directory)
  var directory: String

  @Option(name: .customLong("part"), help: "Only this part; repeats.")
  var parts: [EvaluationRun.Part] = []

  @Option(
    parsing: .unconditional, help: ArgumentHelp("Cases of each part at most.", valueName: "n"))
  var limit: Int?

  @Option(
    help: ArgumentHelp(
      "A .vq4 file to compare with, for example the same model in f32; --kv leaves it alone.",
      valueName: "model.vq4"), completion: .file(extensions: ["vq4"]))
  var reference: String?

  @OptionGroup(title: "Drawing") var guidance: GuidanceOptions

  @OptionGroup(title: "Model") var model: ModelOptions

  func validate() throws {
    if let limit, limit < 1 { throw ValidationError("--limit is 1 or more, not \(limit)") }
  }

  /// Throws `memory` where reading the set may take more than is granted: no model is open yet that could plan it.
  private func requireMemory() throws(VARLiteError) {
    guard let budget = model.ram?.bytes,
      let byteCount = FileStatus("\(directory)/eval.json")?.byteCount
    else { return }
    let needed =
      (ProcessMemory.current()?.byteCount ?? 0) + JSONValue.treeByteCount(ofText: byteCount)
      + byteCount
    guard needed > budget else { return }
    throw VARLiteError(
      .memory,
      "\(directory)/eval.json: reading it may take \(needed) bytes of memory, the program "
        + "included, \(budget) are granted; give --ram \(Remedy.budget(for: needed) >> 20)M")
  }

  func run() throws {
    guard !directory.isEmpty else {
      throw VARLiteError(.request, "the set has an empty name; name its folder")
    }
    try requireMemory()
    let set = try EvaluationSet(directory: directory)
    let model = try self.model.open(promptCache: Model.PromptCache(.systemTurn))
    let options = Model.Options(
      residency: model.options.residency, promptCache: model.options.promptCache)
    let reference = try self.reference.map { path in
      try ModelPath.check(path)
      return try model.runtime.open(path, options: options)
    }
    var comparison = reference.map { ModelComparison(model, against: $0) }
    var drawing = EvaluationRun.drawing
    guidance.apply(to: &drawing)
    let run = EvaluationRun(
      model, set: set, parts: parts.isEmpty ? EvaluationRun.Part.allCases : parts,
      limit: limit ?? .max, drawing: drawing)
    let progress = self.model.progress()
    let report = try run.run(
      stop: Interruption.stop,
      answered: { try comparison?.add($0, $1, stop: Interruption.stop) },
      progress: { part, done, count in
        progress.percent("\(part.rawValue), \(count) cases", done: done, total: count)
      })
    progress.close()
    let fidelity = comparison?.fidelity
    if self.model.json {
      guard var object = report.json.objectValue else { return }
      object["model"] = .string(model.contentHash)
      object["kv"] = .string(model.kvType.rawValue)
      if let fidelity { object["fidelity"] = fidelity.json }
      Console.output(JSONValue.object(object))
    } else {
      Console.output(report.summary + "\n")
      if let fidelity { Console.output(fidelity.summary + "\n") }
    }
  }
}
