import ArgumentParser
import VARAccuracy
import VAREvaluation
import VARJSON
import VARKernels
import VARLite
import VARModels
import VARSharedCLI
import VARSystem

struct AccuracyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "accuracy",
    abstract: "Measures how closely quantized models follow a reference.",
    discussion: """
      All models get the same words, pictures and bits. Printed are, for each model: bits per \
      weight; the error of its linear layers' outputs for the reference's inputs; equal bits; the \
      Kullback-Leibler divergence (KL) of a bit and of a token of an answer, in nats; and answers \
      that have the reference's words. Behind ± stands a standard error over the cases.

      Example: varlite accuracy f32.vq4 int4.vq4 -o report.html --max-kl 1e-3
      """)

  @Argument(
    help: ArgumentHelp("The same weights in a higher precision.", valueName: "reference.vq4"),
    completion: .file(extensions: ["vq4"]))
  var reference: String

  @Argument(
    help: ArgumentHelp("What is measured.", valueName: "model.vq4"),
    completion: .file(extensions: ["vq4"]))
  var models: [String]

  @Option(
    help: ArgumentHelp(
      "A folder with eval.json; without it scenes that varlite draws itself.", valueName: "dir"),
    completion: .directory)
  var cases: String?

  @Option(
    parsing: .unconditional, help: ArgumentHelp("Cases of each kind at most.", valueName: "n"))
  var limit: Int?

  @Flag(help: "Have all models draw the pictures of --cases freely, and judge these too.")
  var draw = false

  @Flag(help: "Do not have the models answer the questions by themselves.")
  var noAnswers = false

  @Option(
    help: ArgumentHelp(
      "Keep what the reference says in this file, or take it from there: the reference is not run "
        + "again.", valueName: "file"), completion: .file())
  var referenceOutputs: String?

  @Option(
    name: [.short, .long],
    help: ArgumentHelp(
      "Write a page with plots and pictures to this file.", valueName: "report.html"),
    completion: .file(extensions: ["html"]))
  var output: String?

  @Option(
    help: ArgumentHelp(
      "Pictures of the same seed that are compared. Default: 4 with --output, else 0.",
      valueName: "n"))
  var pictures: Int?

  @OptionGroup(title: "Bounds") var bounds: BoundOptions

  @OptionGroup var processor: ProcessorOptions

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Memory that varlite may take, with K, M or G; what does not fit is streamed or refused.",
      valueName: "bytes"))
  var ram: ByteCount?

  @Option(
    help: ArgumentHelp(
      "Type of cached keys and values of the models; default: as each runs.",
      valueName: "int8|f16|f32"))
  var kv: KVType?

  @Flag(help: "Print one JSON object instead of a table.")
  var json = false

  @Flag(help: "No progress on standard error.")
  var quiet = false

  func validate() throws {
    guard !models.isEmpty else { throw ValidationError("name a model to measure") }
    if let limit, limit < 1 { throw ValidationError("--limit is 1 or more, not \(limit)") }
    if draw, cases == nil { throw ValidationError("--draw needs --cases") }
    if draw, noAnswers { throw ValidationError("--draw and --no-answers exclude each other") }
    if let referenceOutputs, FileOutput.isStandardOutput(referenceOutputs) {
      throw ValidationError("--reference-outputs names a file")
    }
    if let output, FileOutput.isStandardOutput(output) {
      throw ValidationError("the table goes to standard output; name a file for the page")
    }
    if let pictures, !(0...1000).contains(pictures) {
      throw ValidationError("--pictures is 0 to 1000, not \(pictures)")
    }
  }

  func run() throws {
    for path in [reference] + models { try ModelPath.check(path) }
    if let output { try FileOutput.check(output, sparing: [reference] + models) }
    if let referenceOutputs, FileStatus(referenceOutputs) == nil {
      try FileOutput.check(
        referenceOutputs, sparing: [reference] + models + (output.map { [$0] } ?? []))
    }
    let cases = try self.cases.map { AccuracyCases.set(try EvaluationSet(directory: $0)) }
    let runtime = try Runtime(
      options: Runtime.Options(
        threadCount: processor.threads, instructionSet: processor.instructionSet,
        memoryBudgetBytes: ram?.bytes))
    let reference = try runtime.open(self.reference)
    let models = try self.models.map { try runtime.open($0, options: .init(kvType: kv)) }
    let progress = ProgressLine(detail: quiet ? .none : .steps, printsText: false)
    var options = AccuracyRun.Options(
      spoolFolder: try ProgramInput.variable("TMPDIR") ?? "/var/tmp", stop: Interruption.stop
    ) { progress.percent($0, done: $1, total: $2) }
    options.limit = limit ?? .max
    options.judgesDrawings = draw
    options.asksForAnswers = !noAnswers
    options.referenceFile = referenceOutputs
    options.pictureCount = pictures ?? (output == nil ? 0 : 4)
    let run = try AccuracyRun(models, against: reference, cases: cases ?? .shipped, options)
    let results = try run.run()
    progress.close()
    Console.output(json ? report(results, reference).terminalText + "\n" : text(results))
    if let output {
      let report = AccuracyReport(results, heading: heading(reference))
      try FileOutput.write(Array(report.html().utf8), to: output)
    }
    let broken = results.flatMap { model in
      bounds.bounds.broken(by: model).map { "\(model.path): \($0)" }
    }
    for line in broken { Console.error("varlite: \(line)") }
    if !broken.isEmpty { throw ExitCode(Failure.Status.checkFailed.rawValue) }
  }

  private func heading(_ reference: Model) -> [(name: String, value: String)] {
    [
      ("reference", reference.path), ("content hash", reference.contentHash),
      ("cases", (cases ?? "shipped") + (limit.map { ", \($0) of each kind at most" } ?? "")),
      ("date", CalendarDate.today),
    ]
  }

  private func report(_ results: [ModelAccuracy], _ reference: Model) -> JSONValue {
    .object(
      JSONObject([
        ("date", .string(CalendarDate.today)),
        ("cases", .string(cases ?? "shipped")),
        (
          "reference",
          .object(
            JSONObject([
              ("model", .string(reference.path)), ("hash", .string(reference.contentHash)),
            ]))
        ),
        ("models", .array(results.map(\.json))),
      ]))
  }

  private func text(_ results: [ModelAccuracy]) -> String {
    var lines = TextTable.lines(
      [["model"] + ModelAccuracy.headings] + results.map { [$0.path] + $0.row })
    for result in results {
      lines.append("")
      lines.append(result.path)
      lines += result.outcomeLines.map { "  \($0)" }
      lines += TextTable.lines(result.distribution).map { "  \($0)" }
      lines += (result.pictureLines + [result.worstLayersLine]).map { "  \($0)" }
    }
    return lines.map { $0 + "\n" }.joined()
  }
}
