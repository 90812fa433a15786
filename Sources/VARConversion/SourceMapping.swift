import VARCheckpoint
import VARModels

/// Where every tensor of the file comes from, and what becomes of every tensor of the checkpoint.
struct SourceMapping: Sendable {
  struct Entry: Sendable {
    let specification: TensorSpecification
    let source: TensorSource
    /// How it is made, where it is not a plain copy.
    let note: String
  }

  /// A tensor of the checkpoint that the file does not hold as it is.
  struct Omission: Sendable, Equatable {
    let name: String
    let reason: String
  }

  /// In the order of execution.
  let entries: [Entry]
  /// Tensors that go into constants.
  let folded: [Omission]
  /// Tensors of the model without any effect.
  let dropped: [Omission]
  /// Tensors that no part of the model needs.
  let skipped: [String]
  /// Names of the checkpoint's tensors that the model is made of, folded ones too.
  let usedNames: Set<String>

  /// - Throws: `ConversionError` that names a missing, extra or mis-shaped tensor, or `CheckpointError`.
  init(checkpoint: Checkpoint, configuration: VARGPTConfiguration) throws {
    var reader = TensorReader(checkpoint: checkpoint)
    let blocks = try BlockNames(checkpoint: checkpoint, depth: configuration.generator.depth)
    let folding = try GeneratorFolding(&reader, configuration: configuration, blocks: blocks)
    var entries: [Entry] = []
    for specification in configuration.tensors {
      entries.append(
        try Self.entry(
          specification, &reader, configuration: configuration, blocks: blocks, folding: folding))
    }
    self.entries = entries
    (dropped, skipped) = try reader.sortOutTheRest(
      isTied: configuration.languageModel.tieWordEmbeddings)
    folded = reader.folded.sorted { $0.name < $1.name }
    usedNames = reader.used
  }

  private static func entry(
    _ specification: TensorSpecification, _ reader: inout TensorReader,
    configuration: VARGPTConfiguration, blocks: BlockNames, folding: GeneratorFolding
  ) throws -> Entry {
    let name = specification.name
    let shape = specification.shape
    func entry(_ source: TensorSource, _ note: String = "") -> Entry {
      var notes = note.isEmpty ? [] : [note]
      if case .rows(let tensor, _) = source, tensor.updateCount > 0 {
        notes.append(tensor.updateCount == 1 ? "1 adapter" : "\(tensor.updateCount) adapters")
      }
      return Entry(
        specification: specification, source: source, note: notes.joined(separator: "; "))
    }
    if let made = try folding.source(of: specification, &reader) {
      return entry(made.source, made.note)
    }
    if let frequencies = Frequencies.values(of: specification, configuration: configuration) {
      return entry(.values { frequencies }, "computed")
    }
    let sourceName = blocks.sourceName(of: name)
    switch specification.kind {
    case .convolution:
      let tensor = try reader.tensor(sourceName, shape: [shape[0], shape[3], shape[1], shape[2]])
      return entry(
        .rows(tensor, .channelsLast(channels: shape[3], positions: shape[1] * shape[2])),
        "channels last")
    case .matrix, .table:
      if name == "visual.patch_embed.proj.weight" {
        let vision = configuration.vision
        let (frames, side) = (vision.temporalPatchSize, vision.patchSize)
        let tensor = try reader.tensor(sourceName, shape: [shape[0], 3, frames, side, side])
        return entry(
          .rows(tensor, .sumOfFrames(channels: 3, frames: frames, positions: side * side)),
          "sum of \(frames) frames")
      }
      return entry(.rows(try reader.tensor(sourceName, shape: shape), .unchanged))
    case .vector:
      let tensor = try reader.tensor(sourceName, shape: shape)
      return entry(.values { () throws(CheckpointError) in try tensor.floats() })
    }
  }
}

/// The generator's blocks lie in chunks: `block_chunks.C.module.J` is one of the blocks in their order.
struct BlockNames: Sendable {
  private let sourcePrefixes: [String]

  init(checkpoint: Checkpoint, depth: Int) throws(ConversionError) {
    var places: [(chunk: Int, module: Int)] = []
    for tensor in checkpoint.tensors where tensor.name.hasSuffix(".ada_gss") {
      let parts = tensor.name.split(separator: ".")
      guard parts.count == 6, parts[0] == "vargpt_gen", parts[1] == "block_chunks",
        parts[3] == "module", let chunk = Int(parts[2]), let module = Int(parts[4]),
        (0..<depth).contains(chunk), (0..<depth).contains(module)
      else { continue }
      places.append((chunk, module))
    }
    places.sort { ($0.chunk, $0.module) < ($1.chunk, $1.module) }
    guard places.count == depth, let chunkCount = places.last.map({ $0.chunk + 1 }),
      depth % chunkCount == 0,
      places.enumerated().allSatisfy({ index, place in
        place.chunk * (depth / chunkCount) + place.module == index
      })
    else {
      throw ConversionError(
        .missingTensor, "vargpt_gen.block_chunks.*.module.*.ada_gss",
        "\(places.count) blocks in equal chunks are found, \(depth) are expected; "
          + "the checkpoint is incomplete or its config.json belongs to another")
    }
    sourcePrefixes = places.map { "vargpt_gen.block_chunks.\($0.chunk).module.\($0.module)." }
  }

  /// The checkpoint's prefix of block `index`, with its dot.
  func sourcePrefix(_ index: Int) -> String { sourcePrefixes[index] }

  /// The checkpoint's name of a tensor of the file.
  func sourceName(of name: String) -> String {
    let prefix = "vargpt_gen.blocks."
    guard name.hasPrefix(prefix) else { return name }
    let rest = name.dropFirst(prefix.count)
    let index = rest.prefix { $0 != "." }
    return sourcePrefixes[Int(index)!] + rest.dropFirst(index.count + 1)
  }
}
