import ArgumentParser
import VARCheckpoint
import VARConversion
import VARKernels
import VARQuantization
import VARSharedCLI
import VARSystem
import VQ4Format

/// `DIR[:SCALE]` of `--lora`.
func adapterSource(_ text: String) throws -> CheckpointParts.AdapterSource {
  guard !text.isEmpty else { throw ValidationError("an adapter's directory has a name.") }
  // A directory may have a colon in its name.
  guard !FileTree.exists(text), let colon = text.lastIndex(of: ":"), colon > text.startIndex,
    let scale = Double(text[text.index(after: colon)...])
  else { return CheckpointParts.AdapterSource(path: text) }
  guard scale.isFinite else {
    throw ValidationError("the scale \(scale) is no finite number.")
  }
  return CheckpointParts.AdapterSource(path: String(text[..<colon]), scale: scale)
}

/// The checkpoint and what stands in for parts of it.
struct SourceArguments: ParsableArguments {
  @Argument(
    help: "A directory of .safetensors or .bin files, or one .safetensors or .pth file.",
    completion: .file())
  var source: String

  @Option(
    help: ArgumentHelp(
      "Take the generator from this state dict (.pth, .safetensors) or VARGPT checkpoint.",
      valueName: "file|dir"), completion: .file())
  var generator: String?

  @Option(
    help: ArgumentHelp(
      "Take the VAE from this state dict, plain or under \"vae\", or VARGPT checkpoint.",
      valueName: "file|dir"), completion: .file())
  var vae: String?

  @Option(
    help: ArgumentHelp(
      "Take image_gen_projector*, sos_embedding from this state dict or VARGPT checkpoint.",
      valueName: "file|dir"), completion: .file())
  var projector: String?

  @Option(
    help: ArgumentHelp(
      "Merge this LoRA adapter of PEFT (adapter_config.json, adapter_model.safetensors), its "
        + "updates times the scale; repeatable.",
      valueName: "dir[:scale]"),
    completion: .directory, transform: adapterSource)
  var lora: [CheckpointParts.AdapterSource] = []

  func checkpoint() throws -> Checkpoint {
    try CheckpointParts(generator: generator, vae: vae, projector: projector, adapters: lora)
      .checkpoint(at: source)
  }
}

/// What `convert` and `plan` have in common.
struct ConversionArguments: ParsableArguments {
  @OptionGroup var source: SourceArguments

  @Option(
    help: ArgumentHelp(
      "A built-in recipe (\(Recipe.builtInNames.joined(separator: ", "))) or a recipe file.",
      valueName: "name|file"), completion: .file(extensions: ["json"]))
  var recipe: String?

  @Option(
    help: ArgumentHelp(
      "Short for --recipe: int4, int8, f16 or f32 for all weights that allow it.",
      valueName: "int4|int8|f16|f32"), completion: .list(["int4", "int8", "f16", "f32"]))
  var precision: String?

  @Option(
    help: ArgumentHelp(
      "Round with error compensation by what varconvert calibrate wrote.", valueName: "file"),
    completion: .file(extensions: ["safetensors"]))
  var calibration: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Group of every int rule: 16, 32, 64 or 128.", valueName: "n"))
  var groupSize: Int?

  @Option(help: "auto, map (use in place) or compact (smallest).")
  var layout: VQ4StorageLayout = .auto

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Memory the program may take at its peak, as 384M or 1.5G (default: 1G); the file "
        + "does not depend on it.",
      valueName: "bytes"))
  var ram: ByteCount?

  @OptionGroup var threading: ThreadOptions

  @Flag(help: "Replace an existing output, and forget a stopped conversion beside it.")
  var force = false

  @Flag(
    help: "Convert weights that are one value throughout, or zeros to the end of their file.")
  var allowZeroWeights = false

  @Flag(help: "Print one JSON object on stdout.")
  var json = false

  @Flag(help: "No progress on stderr.")
  var quiet = false

  func validate() throws {
    guard recipe == nil || precision == nil else {
      throw ValidationError("--recipe and --precision exclude each other.")
    }
    if let precision, !["int4", "int8", "f16", "f32"].contains(precision) {
      throw ValidationError("--precision \(precision) is not int4, int8, f16 or f32.")
    }
    if let groupSize, ![16, 32, 64, 128].contains(groupSize) {
      throw ValidationError("--group-size \(groupSize) is not 16, 32, 64 or 128.")
    }
  }

  func options() throws -> ConversionOptions {
    var recipe = try Recipe(named: recipe ?? precision ?? Recipe.builtInNames[0])
    if let groupSize { recipe = recipe.replacingGroupSize(groupSize) }
    var options = ConversionOptions(recipe: recipe, layout: layout, overwrite: force)
    if let threads = threading.threads { options.threadCount = threads }
    if let ram { options.memoryByteCount = ram.bytes }
    options.allowsZeroWeights = allowZeroWeights
    options.calibration = try calibration.map { try CalibrationFile(path: $0) }
    options.memoryByteCount = min(options.memoryByteCount, limit(options) ?? .max)
    return options
  }

  /// What limits on this process leave to a conversion, its program included; stacks of threads are not counted there.
  private func limit(_ options: ConversionOptions) -> Int? {
    guard let room = ProcessMemory.room() else { return nil }
    let program = ProcessMemory.current()?.byteCount ?? 0
    return max(1, program + room - (options.threadCount + 3) * JoinableThread.stackBytes)
  }

  func conversion(_ options: ConversionOptions? = nil) throws -> Conversion {
    let options = try options ?? self.options()
    return try HeaderMemory.within(options.memoryByteCount) {
      try Conversion(of: try source.checkpoint(), options: options)
    }
  }
}
