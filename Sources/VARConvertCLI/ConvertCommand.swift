import ArgumentParser
import VARConversion
import VARJSON

/// `varconvert SOURCE -o MODEL.vq4`.
struct ConvertCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "convert", abstract: "Convert a checkpoint (the default).")

  @OptionGroup var arguments: ConversionArguments

  @Option(name: .shortAndLong, help: ArgumentHelp("The file to write.", valueName: "model.vq4"))
  var output: String

  func run() throws {
    catchInterrupts()
    let start = ProgressLine.now()
    let conversion = try arguments.conversion()
    var line = ProgressLine(isQuiet: arguments.quiet)
    let result = try conversion.write(
      to: output,
      progress: {
        line.show($0.subject, done: $0.doneCount, total: $0.totalCount, unit: "weights")
      },
      isCancelled: { isInterrupted.load(ordering: .relaxed) })
    line.finish()
    let seconds = ProgressLine.now() - start
    if arguments.json {
      print(report(conversion, result, seconds).text)
    } else {
      print(
        "\(output): \(Text.bytes(result.fileByteCount)), "
          + "\(conversion.plan.rows.count) tensors, recipe \(conversion.plan.recipeName), "
          + "\(Text.fixed(seconds, 1)) s")
      let reductions = conversion.plan.dropped + conversion.plan.folded
      print(
        "dropped or folded: \(reductions.count) tensors, "
          + "\(Text.bytes(reductions.reduce(0) { $0 + $1.byteCount })) (varconvert plan lists them)"
      )
      print("content hash \(result.contentHash)")
    }
  }

  private func report(
    _ conversion: Conversion, _ result: Conversion.Result, _ seconds: Double
  ) -> JSONValue {
    let errors = result.errors.map { entry in
      JSONValue.object(
        JSONObject([
          ("name", .string(entry.name)), ("precision", .string(entry.precision.rawValue)),
          ("relative_error", .number(entry.error.relative)),
        ]))
    }
    return .object(
      JSONObject([
        ("output", .string(output)), ("bytes", .integer(result.fileByteCount)),
        ("content_hash", .string(result.contentHash)),
        ("recipe", .string(conversion.plan.recipeName)), ("seconds", .number(seconds)),
        ("errors", .array(errors)),
      ]))
  }
}
