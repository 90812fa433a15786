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
      that have the reference's words.
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

  @OptionGroup var processor: ProcessorOptions

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
  }

  func run() throws {
    for path in [reference] + models { try ModelFile.check(path) }
    let runtime = try Runtime(
      options: Runtime.Options(
        threadCount: processor.threads, instructionSet: processor.instructionSet))
    let reference = try runtime.open(self.reference)
    let models = try self.models.map { try runtime.open($0, options: .init(kvType: kv)) }
    let progress = ProgressLine(detail: quiet ? .none : .steps, printsText: false)
    var options = AccuracyRun.Options(
      spoolFolder: try ProgramInput.variable("TMPDIR") ?? "/var/tmp", stop: Interruption.stop
    ) { progress.percent($0, done: $1, total: $2) }
    options.limit = limit ?? .max
    options.judgesDrawings = draw
    let run = try AccuracyRun(
      models, against: reference,
      cases: try cases.map { .set(try EvaluationSet(directory: $0)) } ?? .shipped, options)
    let results = try run.run()
    progress.close()
    Console.output(json ? report(results, reference).terminalText + "\n" : text(results))
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
    let rows = [["model"] + ModelAccuracy.headings] + results.map { [$0.path] + $0.row }
    let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    var lines = rows.map { row in
      row.enumerated().map { column, text in
        let space = String(repeating: " ", count: widths[column] - text.count)
        return column == 0 ? text + space : space + text
      }.joined(separator: "  ")
    }
    for result in results {
      lines.append("")
      lines.append(result.path)
      lines += result.outcomeLines.map { "  \($0)" }
      lines.append(
        "  furthest off: "
          + result.worstLayers(3).map { "\($0.name) \(($0.error * 1e4).rounded() / 100) %" }
          .joined(separator: ", "))
    }
    return lines.map { $0 + "\n" }.joined()
  }
}
