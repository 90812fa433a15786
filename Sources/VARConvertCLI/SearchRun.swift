import VARCheckpoint
import VARConversion
import VARJSON
import VARLite
import VARQuantization
import VARRecipeSearch
import VARSystem

/// Finds a recipe for a target, and converts by it.
struct SearchRun {
  private let command: ConvertCommand
  private let options: ConversionOptions
  private let choices: RecipeChoices

  private var output: String { command.output }
  private var recipePath: String { output + ".recipe.json" }

  /// A file may be so much smaller than its target.
  private static let tolerance = 0.01
  /// What is expected of a file is so much below its target: bytes of tables and compression are estimated.
  private static let margin = 0.001
  private static let attemptCount = 3

  /// Measures what no earlier search has.
  init(_ command: ConvertCommand, _ options: ConversionOptions) throws {
    self.command = command
    self.options = options
    let output = command.output
    if !command.target.dryRun, !options.overwrite, !options.resumes, FileTree.exists(output) {
      throw VARLiteError(.request, "\(output): is there already; --force replaces it")
    }
    var line = ProgressLine(isQuiet: command.arguments.quiet)
    defer { line.finish() }
    func show(_ step: String, _ done: Int, _ count: Int) {
      line.show(step, done: done, total: count, unit: "")
    }
    choices = try withoutActuallyEscaping(show) { progress in
      var search = RecipeSearch.Options(
        options, isCancelled: { isInterrupted.load(ordering: .relaxed) }, progress: progress)
      search.caseCount = command.target.searchCases
      let run = try HeaderMemory.within(options.memoryByteCount) {
        try RecipeSearch(
          of: try command.arguments.source.checkpoint(), output: output, search)
      }
      if !command.arguments.quiet, !run.isDone {
        printError(
          "the search takes \(Text.bytes(run.diskByteCount)) of the disk meanwhile "
            + "(\(run.paths.base))")
      }
      do {
        return try run.measure()
      } catch  where ExitStatus(error).code == ExitStatus.interrupted.code {
        throw StoppedConversion(
          error,
          "what is measured is kept in \(run.paths.state); the same command goes on from there")
      }
    }
  }

  // MARK: Choosing

  /// Bytes of the file, or in memory.
  private var target: Int {
    let target = command.target
    if let size = target.targetSize ?? target.targetRam { return size.bytes }
    return Int((target.targetBpw ?? 0) * Double(choices.weightCount) / 8)
  }

  private func limit(_ bytes: Int) -> RecipeChoices.Limit {
    command.target.targetRam == nil ? .fileBytes(bytes) : .drawingBytes(bytes)
  }

  private func byteCount(_ choice: RecipeChoices.Choice) -> Int? {
    command.target.targetRam == nil ? choice.fileByteCount : choice.drawingByteCount
  }

  /// - Throws: `VARLiteError` where no recipe is so small or so large.
  func choose() throws -> RecipeChoices.Choice {
    let (smallest, largest) = (choices.smallest, choices.largest)
    guard let least = byteCount(smallest), let most = byteCount(largest) else {
      throw VARLiteError(.request, "\(output): this model cannot draw; give --target-size")
    }
    let what = command.target.targetRam == nil ? "a file" : "a drawing"
    guard let choice = choices.best(within: limit(Int(Double(target) * (1 - Self.margin)))) else {
      throw VARLiteError(
        .request,
        "\(target) bytes are too few: \(what) takes \(least) at least; give "
          + "\(flag(Double(least) * (1 + 2 * Self.margin), rounding: .up))")
    }
    guard let found = byteCount(choice), Double(found) >= Double(target) * (1 - Self.tolerance)
    else {
      throw VARLiteError(
        .request,
        "\(target) bytes are too many: \(what) takes \(most) at most; give "
          + "\(flag(Double(most), rounding: .down)), or --recipe f16")
    }
    try write(choice)
    return choice
  }

  private func flag(_ bytes: Double, rounding: FloatingPointRoundingRule) -> String {
    if command.target.targetBpw != nil {
      let hundredths = (800 * bytes / Double(choices.weightCount)).rounded(rounding)
      return "--target-bpw \(Text.fixed(hundredths / 100, 2))"
    }
    let name = command.target.targetRam == nil ? "--target-size" : "--target-ram"
    return "\(name) \(Int((bytes / 1024).rounded(rounding)))K"
  }

  private func document(_ choice: RecipeChoices.Choice) -> String {
    choices.document(
      choice, name: "found for \(targetText)",
      description: "Expected: \(choice.fileByteCount) bytes, KL per bit "
        + "\(Text.scientific(choice.klPerBit, 2)), "
        + "per token \(Text.scientific(choice.klPerToken, 2)), "
        + "rounded by \(Self.name(of: choices.calibration.path)).")
  }

  private static func name(of path: String) -> String {
    path.split(separator: "/").last.map(String.init) ?? path
  }

  private var targetText: String {
    if let bits = command.target.targetBpw { return "\(bits) bits per weight" }
    return command.target.targetRam == nil
      ? "\(target) bytes" : "drawings in \(target) bytes"
  }

  private func write(_ choice: RecipeChoices.Choice) throws {
    let text = Array(document(choice).utf8)
    if FileTree.exists(recipePath), !options.overwrite,
      (try? WholeFile.read(recipePath, atMost: 1 << 20)) != text
    {
      throw VARLiteError(
        .request, "\(recipePath): is there already, and another recipe; --force replaces it")
    }
    do throws(SystemError) {
      try WholeFile.write(text, to: recipePath)
    } catch {
      throw VARLiteError(.file, "\(recipePath): cannot be written: \(error.message)\(error.advice)")
    }
  }

  // MARK: Converting

  /// Converts; where the file is not within its target, again with what was learnt of its size.
  func convert(
    _ first: RecipeChoices.Choice
  ) throws -> (Conversion, Conversion.Result, RecipeChoices.Choice) {
    var choice = first
    var options = options
    options.calibration = choices.calibration
    for attempt in 1...Self.attemptCount {
      options.recipe = try Recipe(parsing: document(choice), source: recipePath)
      let (conversion, result) = try command.convert(options)
      let size = Double(result.fileByteCount)
      let isWithin =
        command.target.targetRam != nil
        || (Double(target) * (1 - Self.tolerance)...Double(target)).contains(size)
      if isWithin { return (conversion, result, choice) }
      guard attempt < Self.attemptCount else {
        // A little smaller than it might be is no fault.
        if result.fileByteCount <= target { return (conversion, result, choice) }
        throw tooLarge(result)
      }
      let excess = result.fileByteCount - choice.fileByteCount
      let wanted = Int(Double(target) * (1 - 2 * Self.margin)) - excess
      guard let next = choices.best(within: .fileBytes(wanted)) else { throw tooLarge(result) }
      choice = next
      options.overwrite = true
      options.resumes = false
      try overwrite(choice)
    }
    preconditionFailure("the last attempt returns")
  }

  private func tooLarge(_ result: Conversion.Result) -> VARLiteError {
    FileTree.remove(output)
    return VARLiteError(
      .request,
      "\(output): took \(result.fileByteCount) bytes where \(target) are the target; give "
        + flag(Double(result.fileByteCount), rounding: .up))
  }

  private func overwrite(_ choice: RecipeChoices.Choice) throws {
    FileTree.remove(recipePath)
    try write(choice)
  }

  // MARK: Telling

  func report(_ choice: RecipeChoices.Choice) throws {
    if command.arguments.json { return printLine(json(choice)) }
    let table = FrontierTable(choices, choice)
    for line in table.lines { printLine(line) }
    printLine("recipe: \(recipePath)")
    printLine("calibration: \(choices.calibration.path)")
  }

  func json(_ choice: RecipeChoices.Choice) -> JSONValue {
    .object(
      JSONObject([
        ("target", .string(targetText)), ("recipe_file", .string(recipePath)),
        ("calibration", .string(choices.calibration.path)), ("chosen", Self.json(choice)),
        ("frontier", .array(choices.frontier(FrontierTable.rowCount).map(Self.json))),
      ]))
  }

  private static func json(_ choice: RecipeChoices.Choice) -> JSONValue {
    .object(
      JSONObject([
        ("file_bytes", .integer(choice.fileByteCount)),
        ("drawing_bytes", choice.drawingByteCount.map { .integer($0) } ?? .null),
        ("bits_per_weight", .number(choice.bitsPerWeight)),
        ("kl_per_bit", .number(choice.klPerBit)), ("kl_per_token", .number(choice.klPerToken)),
        ("objective", .number(choice.objective)),
      ]))
  }
}
