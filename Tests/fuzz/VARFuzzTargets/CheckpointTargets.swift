import VARCheckpoint
import VARJSON
import VARModels
import VARTestSupport
import VARVision

extension FuzzTarget {
  /// One safetensors file.
  static let safetensors = FuzzTarget(
    "safetensors",
    files: { [FuzzFile("model.safetensors", $0)] },
    read: { input in
      try FuzzFolder.with([FuzzFile("model.safetensors", input)]) { folder in
        try readTensors(of: try Checkpoint(path: folder.path))
      }
    },
    change: changeSafetensors)

  /// A folder of an index, a shard and the settings beside it.
  static let checkpoint = FuzzTarget(
    "checkpoint",
    files: { Fields.files($0, named: checkpointFiles) },
    read: { input in
      try FuzzFolder.with(Fields.files(input, named: checkpointFiles)) { folder in
        let checkpoint = try Checkpoint(path: folder.path)
        let settings = Result { try readSettings(of: checkpoint) }
        _ = try checkpoint.licence()
        try readTensors(of: checkpoint)
        try settings.get()
      }
    },
    change: { input, change in
      var fields = Fields.split(input, count: checkpointFiles.count)
      let index = change.index(below: fields.count)
      let field = fields[index] ?? []
      var part = change
      part = FuzzChange(
        capacity: max(1, change.capacity - input.count + field.count - fields.count),
        seed: change.random.next(), mutate: change.mutate)
      fields[index] =
        index == fields.count - 1
        ? changeSafetensors(field, &part) : part.mutate(field, part.capacity)
      return Fields.join(fields)
    })

  private static let checkpointFiles = [
    "model.safetensors.index.json", "config.json", "generation_config.json",
    "preprocessor_config.json", "LICENSE", "model-1.safetensors",
  ]

  /// Each document on its own: what one of them lacks keeps no fault of another one back.
  private static func readSettings(of checkpoint: Checkpoint) throws {
    let configuration = Result {
      let dialect = try ConfigurationDialect(checkpoint.configuration())
      _ = try? VARGPTConfiguration(config: dialect.json)
      var shapes: [String: [Int]] = [:]
      for tensor in checkpoint.tensors { shapes[tensor.name] = tensor.shape }
      let configuration = try VARGPTConfiguration(
        config: dialect.json, shapes: TensorShapes(tensors: shapes))
      _ = configuration.tensors
      _ = try VARGPTConfiguration(config: configuration.json)
    }
    let generation = Result {
      let document = try checkpoint.json(ofFile: "generation_config.json")
      _ = try document.map { try GenerationDefaults.unknownKeys(of: $0) }
      _ = try GenerationDefaults(config: document, endOfSequence: [0]).json
    }
    let pictures = Result {
      _ = try checkpoint.json(ofFile: "preprocessor_config.json").map {
        try ImagePreprocessing(json: $0)
      }
    }
    try configuration.get()
    try generation.get()
    try pictures.get()
  }

  /// Every tensor's beginning as bytes and as numbers.
  private static func readTensors(of checkpoint: Checkpoint) throws {
    for shard in checkpoint.shards { _ = try shard.header() }
    for tensor in checkpoint.tensors {
      var bytes = [UInt8](repeating: 0, count: min(tensor.byteCount, 1 << 12))
      try bytes.withUnsafeMutableBytes { try tensor.readBytes(from: 0, into: $0) }
      if tensor.elementCount <= 1 << 12, tensor.elementType.isFloat { _ = try? tensor.floats() }
    }
  }

  /// The header changed on its own, its length mended; or the bytes behind it.
  private static func changeSafetensors(_ input: [UInt8], _ change: inout FuzzChange) -> [UInt8] {
    guard let length = input.number(at: 0, size: 8), length <= input.count - 8,
      !change.happens(onceIn: 16)
    else { return change.mutate(input, change.capacity) }
    var header = Array(input[8..<8 + length])
    var content = Array(input[(8 + length)...])
    if change.happens(onceIn: 8) {
      content = change.mutate(content, max(1, change.capacity - header.count - 8))
    } else {
      header = change.mutate(header, max(1, change.capacity - content.count - 8))
    }
    var bytes = [UInt8](repeating: 0, count: 8) + header + content
    bytes.set(header.count, at: 0, size: 8)
    return bytes
  }

  /// An adapter's folder: its settings, then its weights.
  static let adapter = FuzzTarget(
    "adapter",
    files: { Fields.files($0, named: adapterFiles) },
    read: { input in
      try FuzzFolder.with(Fields.files(input, named: adapterFiles)) { folder in
        let adapter = try Adapter(path: folder.path, scale: 0.5)
        let merged = try base.get().checkpoint.merging([adapter]) { $0 }
        _ = merged.factorTargets
        for name in merged.adaptedNames.sorted() {
          guard let tensor = merged[name] else { continue }
          let rows = try TensorRows(tensor)
          guard tensor.elementType.isFloat, tensor.elementCount <= 1 << 12, rows.cols > 0 else {
            continue
          }
          var numbers = [Float](repeating: 0, count: tensor.elementCount)
          try numbers.withUnsafeMutableBufferPointer {
            try rows.read(
              firstRow: 0, rowCount: tensor.elementCount / rows.cols, into: $0.baseAddress!)
          }
        }
      }
    },
    change: { input, change in
      var fields = Fields.split(input, count: adapterFiles.count)
      let (settings, weights) = (fields[0] ?? [], fields[1] ?? [])
      if change.happens(onceIn: 2) {
        fields[0] = change.mutate(settings, max(1, change.capacity - weights.count - 1))
      } else {
        var part = FuzzChange(
          capacity: max(1, change.capacity - settings.count - 1), seed: change.random.next(),
          mutate: change.mutate)
        fields[1] = changeSafetensors(weights, &part)
      }
      return Fields.join(fields)
    })

  private static let adapterFiles = ["adapter_config.json", "adapter_model.safetensors"]

  /// The checkpoint that adapters are merged into, in a folder that lives as long as the process.
  private struct Base: Sendable {
    let directory: TemporaryDirectory
    let checkpoint: Checkpoint
  }

  private static let base = Result {
    let directory = TemporaryDirectory()
    let names = adapterShapes.map { "\($0.module).weight" }
    let tensors = Swift.zip(names, adapterShapes).map { name, shape in
      SmallCheckpoint.Tensor(
        name: name, shape: shape.shape,
        values: [Float](repeating: 0.5, count: shape.shape.reduce(1, *)))
    }
    directory.write("model.safetensors", SmallCheckpoint.safetensors(tensors))
    return Base(directory: directory, checkpoint: try Checkpoint(path: directory.path))
  }

  /// Modules of the base.
  static let adapterShapes: [(module: String, shape: [Int])] = [
    ("model.layers.0.self_attn.q_proj", [8, 4]), ("model.embed_tokens", [6, 4]),
    ("visual.conv", [4, 2, 1, 1]),
  ]
}
