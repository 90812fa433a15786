import ArgumentParser
import VARCheckpoint
import VARConversion
import VARJSON
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
    let failures = rows.filter { !$0.isWithinLimit }
    if json {
      printLine(report(rows, failures.count))
    } else {
      printTable(rows, failures.count)
    }
    if !failures.isEmpty { throw CheckFailed() }
  }

  private func printTable(_ rows: [ConversionCheck.Row], _ failureCount: Int) {
    let width = rows.map(\.name.count).max() ?? 0
    for row in rows where !row.isWithinLimit || (!quiet && row.precision != .f32) {
      let percent = Text.padded(Text.fixed(100 * row.error.relative, 4), 9, isNumber: true)
      let verdict = row.isWithinLimit ? "" : "  past the limit \(Text.fixed(100 * row.limit, 4)) %"
      let precision = Text.padded(row.precision.rawValue, 4)
      printLine("\(Text.padded(row.name, width))  \(precision) \(percent) %\(verdict)")
    }
    printLine("\(model): \(rows.count) tensors, \(failureCount) past their limit")
  }

  private func report(_ rows: [ConversionCheck.Row], _ failureCount: Int) -> JSONValue {
    let list = rows.map { row in
      // An infinite ratio, an error where the original is all zero, has no JSON number.
      let relative: JSONValue = row.error.relative.isFinite ? .number(row.error.relative) : .null
      return JSONValue.object(
        JSONObject([
          ("name", .string(row.name)), ("precision", .string(row.precision.rawValue)),
          ("relative_error", relative),
          ("limit", row.limit.isFinite ? .number(row.limit) : .null),
          ("within_limit", .bool(row.isWithinLimit)),
        ]))
    }
    return .object(
      JSONObject([
        ("model", .string(model)), ("past_limit", .integer(failureCount)),
        ("tensors", .array(list)),
      ]))
  }
}
