import ArgumentParser
import VARCheckpoint
import VARConversion
import VARSharedCLI
import VARSystem

/// `varconvert check SOURCE MODEL.vq4`.
struct CheckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Measure each tensor's error against the original; exit 1 past the recipe's limits.")

  @OptionGroup var source: SourceArguments

  @Argument(help: "The file that was made from it.", completion: .file(extensions: ["vq4"]))
  var model: String

  @OptionGroup var threading: ThreadOptions

  @Flag(help: "Print one JSON object on stdout.")
  var json = false

  @Flag(help: "No progress on stderr, and only the tensors past their limit.")
  var quiet = false

  func run() throws {
    catchInterrupts()
    let check = try ConversionCheck(of: model, against: try source.checkpoint())
    var line = ProgressLine(isQuiet: quiet)
    let rows = try check.run(
      threadCount: threading.threads ?? ThreadPool.defaultThreadCount,
      progress: {
        line.show($0.subject, done: $0.doneCount, total: $0.totalCount, unit: "weights")
      },
      isCancelled: { isInterrupted.load(ordering: .relaxed) })
    line.finish()
    let summary = ConversionCheck.Summary(rows)
    if json {
      printLine(CheckReport(model: model, rows: rows, summary: summary).json)
    } else {
      for text in CheckTable(model, rows, summary).lines(onlyFailures: quiet) { printLine(text) }
    }
    if summary.failureCount > 0 { throw CheckFailed() }
  }
}
