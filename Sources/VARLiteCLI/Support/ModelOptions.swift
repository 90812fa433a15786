import ArgumentParser
import VARKernels
import VARLite
import VARModels

extension InstructionSet: ExpressibleByArgument {}
extension KVType: ExpressibleByArgument {}
extension Residency: ExpressibleByArgument {}

extension ByteCount: ExpressibleByArgument {
  public init?(argument: String) { self.init(text: argument) }
}

/// Which model runs, and how.
struct ModelOptions: ParsableArguments {
  @Option(
    name: [.short, .long],
    help: ArgumentHelp("The model; see varlite --help for the default.", valueName: "model.vq4"))
  var model: String?

  @Option(
    help: ArgumentHelp(
      "Threads; default: one per fast core that this program may use.", valueName: "n"))
  var threads: Int?

  @Option(
    help: ArgumentHelp("Kernels to use; the results are the same with all.", valueName: "name"))
  var isa: InstructionSet?

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
    help: ArgumentHelp(
      """
      Memory that varlite may take, with K, M or G; what does not fit is streamed or refused. Default: what the \
      system and its control groups have, but for a sixteenth.
      """, valueName: "bytes"))
  var ram: ByteCount?

  @Flag(help: "Print one JSON object instead of text.")
  var json = false

  @Flag(help: "No progress on standard error.")
  var quiet = false

  func validate() throws {
    if let threads, !(1...256).contains(threads) {
      throw ValidationError("--threads is 1 to 256, not \(threads)")
    }
    if let isa, !isa.isSupported {
      let names = InstructionSet.supported.map(\.rawValue).joined(separator: ", ")
      throw ValidationError(
        "--isa \(isa.rawValue) does not run on this machine; there are \(names)")
    }
  }

  func path() throws -> String { try DefaultModel.path(option: model) }

  /// - Parameter file: the model where an argument names it instead of the option.
  func open(_ file: String? = nil) throws -> VARGPT {
    var options = VARGPT.Options(
      kvType: kv, residency: residency, memoryBudgetBytes: ram?.bytes)
    if let threads { options.threadCount = threads }
    if let isa { options.instructionSet = isa }
    return try VARGPT(path: DefaultModel.path(option: file ?? model), options: options)
  }
}
