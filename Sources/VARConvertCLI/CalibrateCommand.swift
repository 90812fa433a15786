import ArgumentParser
import VARCalibration
import VARConversion
import VAREvaluation
import VARForcedRun
import VARKernels
import VARLite
import VARQuantization
import VARSharedCLI
import VARSystem

/// `varconvert calibrate MODEL.vq4 -o calibration.safetensors`, and what can be done with such files.
struct CalibrateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "calibrate",
    abstract: "Sum what goes into a model's layers, for --calibration.",
    discussion: """
      The model reads scenes that varconvert draws itself: questions with answers, drawings and \
      edits. Tokens of one kind of a case (words read, words written, pictures looked at, each \
      scale of a drawing) count together as the root of their number.
      """)

  @Argument(
    help: ArgumentHelp(
      "The model that runs, of any precision. With --merge or --statistics: calibrations.",
      valueName: "model.vq4"), completion: .file(extensions: ["vq4", "safetensors"]))
  var inputs: [String]

  @Option(
    name: .shortAndLong,
    help: ArgumentHelp("The file to write.", valueName: "calibration.safetensors"),
    completion: .file(extensions: ["safetensors"]))
  var output: String?

  @Flag(help: "Add several calibrations of one model to one.")
  var merge = false

  @Flag(help: "Print what calibrations counted, input by input.")
  var statistics = false

  @Option(
    name: .customLong("for"),
    help: ArgumentHelp(
      "Round the generator layer by layer as this recipe does, each layer for what rounded ones "
        + "give it; the file then serves this recipe alone. The model's generator is in f32, or "
        + "f16 where the checkpoint has bf16.",
      valueName: "name|file"), completion: .file(extensions: ["json"]))
  var recipe: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Columns of a block of second moments, a multiple of 128; 4096 keeps most whole.",
      valueName: "n"))
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
    parsing: .unconditional,
    help: ArgumentHelp(
      "Memory that the run may take, with K, M or G; more is refused beforehand.",
      valueName: "bytes"))
  var ram: ByteCount?

  @OptionGroup var processor: ProcessorOptions

  @Flag(help: "Go on with a run of the same command that was stopped.")
  var resume = false

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Seconds after which the run keeps where it stands, for --resume.", valueName: "n"))
  var saveEvery = 60

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
    guard (0...86_400).contains(saveEvery) else {
      throw ValidationError("--save-every \(saveEvery) is not within 0...86400.")
    }
    if merge, statistics { throw ValidationError("--merge and --statistics exclude each other.") }
    if force, resume { throw ValidationError("--force and --resume exclude each other.") }
    if output == nil, !statistics { throw ValidationError("name the file to write with -o.") }
    if recipe != nil, merge || statistics {
      throw ValidationError("--for goes with a model that runs.")
    }
    guard merge ? inputs.count > 1 : statistics || inputs.count == 1 else {
      throw ValidationError(
        merge ? "--merge takes two calibrations or more." : "one model runs at a time.")
    }
  }

  func run() throws {
    catchInterrupts()
    if statistics {
      for path in inputs { try CalibrationTable(path).print() }
      return
    }
    guard let output else { return }
    if let kind = FileStatus(output, followsLinks: false)?.kind {
      guard kind == .regular else {
        throw VARLiteError(.request, "\(output): is no regular file; name another output")
      }
      guard force || resume && FileTree.exists(Calibration.statePath(of: output)) else {
        throw VARLiteError(.request, "\(output): is there already; --force replaces it")
      }
    }
    for input in inputs where WholeFile.isSamePlace(output, input) {
      throw VARLiteError(
        .request,
        "\(output): is \(merge ? "added itself" : "the model that runs"); name another output")
    }
    if merge {
      let merged = try CalibrationMerge(inputs.map { try CalibrationFile(path: $0) })
      return try merged.write(to: Calibration.Output(output, replaces: force))
    }
    try calibrate(inputs[0], to: output)
  }

  private func calibrate(_ path: String, to output: String) throws {
    let recipe = try recipe.map { try Recipe(named: $0) }
    let model = try Runtime(
      options: Runtime.Options(
        threadCount: processor.threads, instructionSet: processor.instructionSet)
    ).open(path)
    let own = try cases.map { try EvaluationSet(directory: $0).forcedCases() } ?? []
    var line = ProgressLine(isQuiet: quiet)
    defer { line.finish() }
    func show(_ step: String, _ done: Int, _ count: Int) {
      line.show(step, done: done, total: count, before: 0, unit: "")
    }
    try withoutActuallyEscaping(show) { progress in
      let calibration = try Calibration(
        model, cases: SceneCases.cases(.calibration, for: model, limit: limit ?? .max) + own,
        blockCols: block, for: recipe,
        ForcedRun.Options(
          isCancelled: { isInterrupted.load(ordering: .relaxed) }, progress: progress))
      try require(calibration, output)
      do {
        try calibration.write(
          to: .init(
            output, replaces: force, resumes: resume, secondsBetweenStates: saveEvery))
      } catch let refusal as CalibrationRefusal {
        let advice = refusal.canContinue ? "--resume goes on with it, " : ""
        throw VARLiteError(
          .request,
          "\(refusal.problem); \(advice)--force starts anew")
      }
    }
  }

  /// Says what the run takes, and throws where the memory or the disk has less.
  private func require(_ calibration: Calibration, _ output: String) throws {
    let tokens = calibration.tokenCounts
    let program = ProcessMemory.current()?.byteCount ?? 0
    let memory = calibration.memoryByteCount + program
    if !quiet {
      printError(
        "\(tokens.language) tokens through the language model, \(tokens.generator) through the "
          + "generator; memory \(Text.bytes(memory)), file \(Text.bytes(calibration.fileByteCount))"
          + ", on the disk meanwhile \(Text.bytes(calibration.diskByteCount))")
    }
    if let ram, ram.bytes < memory {
      throw VARLiteError(
        .memory,
        "the run takes \(memory) bytes of memory, \(ram.bytes) are granted; give --ram "
          + "\((memory + (1 << 20) - 1) >> 20)M or a smaller --block or --limit")
    }
    if let free = FreeSpace.byteCount(for: output), free < calibration.diskByteCount, !resume {
      throw VARLiteError(
        .file,
        "\(output): the run takes \(calibration.diskByteCount) bytes of the disk, \(free) are "
          + "free; make room or give a smaller --block or --limit")
    }
  }
}
