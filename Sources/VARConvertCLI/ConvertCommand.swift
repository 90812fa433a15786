import ArgumentParser
import VARCanaries
import VARCheckpoint
import VARConversion
import VARForcedRun
import VARJSON
import VARLite
import VARModels
import VARSystem
import VQ4Format

/// `varconvert SOURCE -o MODEL.vq4`.
struct ConvertCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "convert", abstract: "Convert a checkpoint (the default).")

  @OptionGroup var arguments: ConversionArguments

  @Option(
    name: .shortAndLong, help: ArgumentHelp("The file to write.", valueName: "model.vq4"),
    completion: .file(extensions: ["vq4"]))
  var output: String

  @OptionGroup(title: "Recipe by target") var target: TargetOptions

  @Flag(
    help: "Go on where a stopped conversion left off, if there is one; a finished file is done.")
  var resume = false

  @Flag(help: "Leave out the map of colours by which drawings are watched at once.")
  var noPreviewMap = false

  @Flag(
    help: "Store what the layers make of a small case in full precision, for varlite check.")
  var canaries = false

  func validate() throws {
    if output == "-" {
      throw ValidationError("-o - is no file; a model cannot be written to standard output")
    }
    if target.isGiven,
      arguments.recipe != nil || arguments.precision != nil || arguments.groupSize != nil
    {
      throw ValidationError(
        "a target chooses the recipe; leave out --recipe, --precision and --group-size.")
    }
    if target.targetRam != nil, arguments.layout == .compact {
      throw ValidationError("--target-ram is for a file that is used in place: --layout map.")
    }
  }

  func run() throws {
    catchInterrupts()
    let start = MonotonicClock.seconds()
    var options = try arguments.options()
    options.keepsProgress = true
    options.resumes = resume
    options.withCanaries = canaries
    options.withPreviewMap = !noPreviewMap
    // What is compressed is not used in place.
    if target.targetRam != nil { options.layout = .map }
    guard target.isGiven else {
      return try report(try convert(options), since: start)
    }
    let search = try SearchRun(self, options)
    let choice = try search.choose()
    if target.dryRun { return try search.report(choice) }
    if !arguments.json { try search.report(choice) }
    let (conversion, result, found) = try search.convert(choice)
    try report((conversion, result), since: start, search.json(found))
  }

  /// Converts as it was chosen.
  func convert(
    _ options: ConversionOptions
  ) throws -> (conversion: Conversion, result: Conversion.Result) {
    let conversion = try arguments.conversion(options)
    if !arguments.quiet {
      printNotes(conversion)
      for line in conversion.calibrationShortages { printError("calibration: " + line.printable) }
    }
    return (conversion, try write(conversion))
  }

  private func report(
    _ work: (conversion: Conversion, result: Conversion.Result), since start: Double,
    _ search: JSONValue? = nil
  ) throws {
    let (conversion, result) = work
    let seconds = MonotonicClock.seconds() - start
    if arguments.json {
      return printLine(report(conversion, result, seconds, search))
    }
    printLine(
      "\(output): \(Text.bytes(result.fileByteCount)), "
        + "\(conversion.plan.rows.count) tensors, "
        + "recipe \(conversion.plan.recipeName.printable), \(Text.fixed(seconds, 1)) s"
        + (ProcessMemory.peakByteCount().map { ", peak memory \(Text.bytes($0))" } ?? ""))
    let reductions = conversion.plan.dropped + conversion.plan.folded
    let checkpoint = conversion.checkpoint
    if !checkpoint.adapters.isEmpty {
      printLine(
        "adapters: \(checkpoint.adapters.count), merged into \(checkpoint.adaptedNames.count) tensors"
      )
    }
    printLine(
      "dropped or folded: \(reductions.count) tensors, "
        + "\(Text.bytes(reductions.reduce(0) { $0 + $1.byteCount })) "
        + "(varconvert plan --all lists them)")
    printLine("content hash \(result.contentHash)")
  }

  private func write(_ conversion: Conversion) throws -> Conversion.Result {
    var line = ProgressLine(isQuiet: arguments.quiet)
    var isFirst = true
    do {
      defer { line.finish() }
      var take: ((_ path: String) throws -> [UInt8])?
      if canaries { take = { try canaryBytes(conversion, $0, &line) } }
      let result = try conversion.write(
        to: output, canaries: take,
        progress: { state in
          if isFirst, state.resumedCount > 0 {
            let percent = 100 * Double(state.resumedCount) / Double(state.totalCount)
            line.note("going on at \(Text.fixed(percent, 1)) %")
          }
          isFirst = false
          line.show(
            state.subject, done: state.doneCount, total: state.totalCount,
            before: state.resumedCount, unit: "weights")
        },
        isCancelled: { isInterrupted.load(ordering: .relaxed) })
      line.finish()
      if result.wasFinished { line.note("\(output) is there already, from the same checkpoint") }
      return result
    } catch {
      if let advice = advice(after: error, conversion) { throw StoppedConversion(error, advice) }
      throw error
    }
  }

  /// Canaries of the file that stands under a path.
  private func canaryBytes(
    _ conversion: Conversion, _ path: String, _ line: inout ProgressLine
  ) throws -> [UInt8] {
    func show(_ step: String, _ done: Int, _ count: Int) {
      line.show(step, done: done, total: count, before: 0, unit: "")
    }
    return try withoutActuallyEscaping(show) { progress in
      do {
        let options = ForcedRun.Options(
          isCancelled: { isInterrupted.load(ordering: .relaxed) }, progress: progress)
        return try CanarySource(conversion, path).taken(options).bytes
      } catch let error as ModelError {
        guard error.code == .cancelled else { throw VARLiteError(error) }
        throw ConversionError(.interrupted, output, "stopped")
      }
    }
  }

  /// What to do where a part of the work is kept.
  private func advice(after error: any Error, _ conversion: Conversion) -> String? {
    let isRefusal =
      switch error {
      case let error as ConversionError:
        [.stoppedConversion, .otherConversion, .foreignFile].contains(error.code)
      case let error as VQ4Error:
        [.outputBusy, .outputExists, .sameFile].contains(error.code)
      default: false
      }
    guard !isRefusal, let share = conversion.stoppedShare(of: output)
    else { return nil }
    return "\(Text.fixed(100 * share, 1)) % is done and kept in \(output).partial; "
      + "the same command with --resume goes on from there"
  }

  private func report(
    _ conversion: Conversion, _ result: Conversion.Result, _ seconds: Double,
    _ search: JSONValue?
  ) -> JSONValue {
    let errors = result.errors.map { entry in
      JSONValue.object(
        JSONObject([
          ("name", .string(entry.name)), ("precision", .string(entry.precision.rawValue)),
          ("relative_error", .number(entry.error.relative)),
        ]))
    }
    return .object(
      JSONObject(
        [
          ("output", .string(output)), ("bytes", .integer(result.fileByteCount)),
          ("content_hash", .string(result.contentHash)),
          ("recipe", .string(conversion.plan.recipeName)), ("seconds", .number(seconds)),
          ("peak_memory_bytes", ProcessMemory.peakByteCount().map { .integer($0) } ?? .null),
          ("resumed_weights", .integer(result.resumedElementCount)),
          ("finished_before", .bool(result.wasFinished)), ("errors", .array(errors)),
          ("notes", .array(conversion.notes.map { .string($0) })),
        ] + (search.map { [("search", $0)] } ?? [])))
  }
}
