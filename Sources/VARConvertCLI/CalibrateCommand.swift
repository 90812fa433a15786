import ArgumentParser
import VARCalibration
import VAREvaluation
import VARForcedRun
import VARLite
import VARSharedCLI
import VARSystem

/// `varconvert calibrate MODEL.vq4 -o calibration.safetensors`.
struct CalibrateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "calibrate",
    abstract: "Sum what goes into a model's layers, for --calibration.")

  @Argument(help: "The model that runs, of any precision.", completion: .file(extensions: ["vq4"]))
  var model: String

  @Option(
    name: .shortAndLong,
    help: ArgumentHelp("The file to write.", valueName: "calibration.safetensors"),
    completion: .file(extensions: ["safetensors"]))
  var output: String

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Columns of a block of second moments, a multiple of 128.", valueName: "n"))
  var block = 1024

  @Option(
    help: ArgumentHelp(
      "A folder with eval.json, whose cases are added to the shipped ones.", valueName: "dir"),
    completion: .directory)
  var cases: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Shipped cases of each kind at most; 0: those of --cases alone.", valueName: "n"))
  var limit: Int?

  @Option(
    name: .shortAndLong, parsing: .unconditional,
    help: ArgumentHelp("Threads; the file does not depend on it.", valueName: "n"))
  var threads: Int?

  @Flag(help: "Replace an existing output.")
  var force = false

  @Flag(help: "No progress on stderr.")
  var quiet = false

  func validate() throws {
    guard (128...4096).contains(block), block % 128 == 0 else {
      throw ValidationError("--block \(block) is no multiple of 128 within 128...4096.")
    }
    let least = cases == nil ? 1 : 0
    guard (least...1000).contains(limit ?? 1) else {
      throw ValidationError("--limit \(limit ?? 0) is not within \(least)...1000.")
    }
  }

  func run() throws {
    catchInterrupts()
    guard force || !FileTree.exists(output) else {
      throw VARLiteError(.request, "\(output): is there already; --force replaces it")
    }
    guard !WholeFile.isSamePlace(output, self.model) else {
      throw VARLiteError(.request, "\(output): is the model that runs; name another output")
    }
    let runtime = try Runtime(options: Runtime.Options(threadCount: threads))
    let model = try runtime.open(self.model)
    let own = try cases.map { try EvaluationSet(directory: $0).forcedCases() } ?? []
    let calibration = Calibration(
      model,
      cases: SceneCases.cases(
        .calibration, pictureSize: model.drawnSize, limit: limit ?? .max) + own,
      blockCols: block)
    var line = ProgressLine(isQuiet: quiet)
    defer { line.finish() }
    try calibration.write(
      to: output, isCancelled: { isInterrupted.load(ordering: .relaxed) },
      progress: { step, done, count in
        line.show(step, done: done, total: count, before: 0, unit: "")
      })
  }
}
