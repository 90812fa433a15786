import ArgumentParser
import VARKernels
import VARLite
import VARSharedCLI

/// Which models are served, and what they may take.
struct ServedModelOptions: ParsableArguments {
  @Option(
    name: [.short, .long],
    help: ArgumentHelp("A model. Repeats; clients tell models by name.", valueName: "model.vq4"),
    completion: .file(extensions: ["vq4"]))
  var model: [String] = []

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Memory that the server may take, with K, M or G. Default: what the system has.",
      valueName: "bytes"))
  var ram: ByteCount?

  @OptionGroup var processor: ProcessorOptions

  func runtime() throws -> Runtime {
    try Runtime(
      options: Runtime.Options(
        threadCount: processor.threads, instructionSet: processor.instructionSet,
        memoryBudgetBytes: ram?.bytes))
  }

  func open(_ runtime: Runtime) throws -> [Model] {
    let names = model.isEmpty ? [nil] : model.map(Optional.some)
    return try names.map { name in
      let choice = try DefaultModel.choice(option: name)
      if let notice = choice.notice("varlite-server") { VarliteServer.say(notice) }
      return try runtime.open(choice.path)
    }
  }
}
