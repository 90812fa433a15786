import ArgumentParser
import VARKernels
import VARLite
import VARModels
import VARSharedCLI

extension KVType: ExpressibleByArgument {}
extension Residency: ExpressibleByArgument {}

/// Which model runs, and how.
struct ModelOptions: ParsableArguments {
  @Option(
    name: [.short, .long],
    help: ArgumentHelp("The model; see varlite --help for the default.", valueName: "model.vq4"),
    completion: .file(extensions: ["vq4"]))
  var model: String?

  @OptionGroup var processor: ProcessorOptions

  @Option(
    help: ArgumentHelp(
      "Type of cached keys and values, which changes results a little; default: int8 where the "
        + "language model's weights are int4 or int8, else f32.",
      valueName: "int8|f16|f32"))
  var kv: KVType?

  @Option(
    help: ArgumentHelp(
      """
      Where the weights are; the results are the same with all. map: in place in the mapped file; load: read into \
      memory first; stream: as much in memory as may be, the rest read again for every pass; automatic: \
      map where the weights fit, else stream.
      """, valueName: "automatic|map|load|stream"))
  var residency: Residency = .automatic

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      """
      Memory that varlite may take, with K, M or G; what does not fit is streamed or refused. Default: what the \
      system and its control groups have, but for a sixteenth, at least 64M.
      """, valueName: "bytes"))
  var ram: ByteCount?

  @Flag(help: "Print one JSON object instead of text.")
  var json = false

  @Flag(help: "No progress on standard error.")
  var quiet = false

  @Flag(
    name: .shortAndLong,
    help: "Say on standard error what is loaded, what is planned, and how long each part took.")
  var verbose = false

  func validate() throws {
    if quiet, verbose { throw ValidationError("--quiet and --verbose exclude each other") }
  }

  func path() throws -> String { try DefaultModel.path(option: model) }

  /// ProgressLine as these options want it.
  ///
  /// - Parameter printsText: whether text of the model is the result of the command.
  func progress(printsText: Bool = false) -> ProgressLine {
    ProgressLine(detail: detail, printsText: printsText)
  }

  var detail: ProgressLine.Detail { quiet ? .none : verbose ? .everything : .steps }

  /// - Parameters:
  ///   - file: the model where an argument names it instead of the option.
  ///   - promptCache: what is kept of prompts.
  ///   - readsAhead: whether it takes a while until the first request.
  func open(
    _ file: String? = nil, promptCache: Model.PromptCache = Model.PromptCache(.nothing),
    readsAhead: Bool = false
  ) throws -> Model {
    let choice = try DefaultModel.choice(option: file ?? model)
    if !quiet { choice.announce() }
    let shared = Runtime.Options(
      threadCount: processor.threads, instructionSet: processor.instructionSet,
      memoryBudgetBytes: ram?.bytes)
    var options = Model.Options(kvType: kv, residency: residency, promptCache: promptCache)
    options.readsAhead = readsAhead
    let model = try Runtime(options: shared).open(choice.path, options: options)
    if verbose { describe(model) }
    return model
  }

  private func describe(_ model: Model) {
    let options = model.runtime.options
    Console.error(
      "model \(model.path): \(ProgressLine.bytes(model.fileByteCount)), content hash "
        + model.contentHash)
    Console.error(
      "\(options.threadCount) threads, \(options.instructionSet.rawValue), keys and values in "
        + "\(model.kvType.rawValue), residency \(model.options.residency.rawValue)")
  }
}
