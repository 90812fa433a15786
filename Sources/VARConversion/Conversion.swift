import VARCheckpoint
import VARModels
import VARQuantization
import VQ4Format

/// A checkpoint made ready to become a `.vq4` file: everything is checked, nothing is written yet.
///
/// ```swift
/// let checkpoint = try Checkpoint(path: "weights/")
/// let conversion = try Conversion(
///   of: checkpoint, options: ConversionOptions(recipe: try Recipe(builtIn: "balanced")))
/// let result = try conversion.write(to: "model.vq4")
/// ```
public struct Conversion: Sendable {
  public let checkpoint: Checkpoint
  /// What the file will say about the model.
  public let configuration: VARGPTConfiguration
  public let options: ConversionOptions
  /// What the file will hold.
  public let plan: ConversionPlan
  /// The memory that it takes.
  public let memory: MemoryNeeds
  let mapping: SourceMapping

  /// What was written.
  public struct Result: Sendable {
    /// Bytes of the file.
    public let fileByteCount: Int
    /// Hash of the decoded content; equal for every layout.
    public let contentHash: String
    /// Error of each weight that is not stored exactly, in the order of execution.
    public let errors: [(name: String, precision: Precision, error: WeightError)]
    /// Elements that a stopped conversion had done before.
    public let resumedElementCount: Int
  }

  /// Reads the configuration, maps every tensor, and applies the recipe.
  ///
  /// Throws `CheckpointError`, `ConfigurationError`, `ConversionError` or `QuantizationError`.
  public init(of checkpoint: Checkpoint, options: ConversionOptions) throws {
    configuration = try Self.configuration(of: checkpoint)
    self.checkpoint = checkpoint
    self.options = options
    mapping = try SourceMapping(checkpoint: checkpoint, configuration: configuration)
    let sizes = Dictionary(
      checkpoint.tensors.map { ($0.name, $0.elementCount * $0.elementType.byteCount) },
      uniquingKeysWith: { first, _ in first })
    plan = try ConversionPlan(mapping: mapping, recipe: options.recipe, sizes: sizes)
    memory = MemoryNeeds(
      rows: plan.rows, entries: mapping.entries, layout: options.layout,
      tokenizerByteCount: Metadata.estimatedByteCount(of: checkpoint),
      threadCount: options.threadCount, limit: options.memoryByteCount)
    guard memory.byteCount <= options.memoryByteCount else {
      throw ConversionError(
        .notEnoughMemory, "--ram \(options.memoryByteCount)",
        "this conversion takes at least \(memory.minimumByteCount) bytes "
          + "(--ram \((memory.minimumByteCount + (1 << 20) - 1) >> 20)M)")
    }
  }

  /// The configuration of a checkpoint, with what only its tensors' shapes tell.
  static func configuration(of checkpoint: Checkpoint) throws -> VARGPTConfiguration {
    var shapes: [String: [Int]] = [:]
    for tensor in checkpoint.tensors {
      guard !tensor.shape.contains(0) else {
        throw ConversionError(
          .wrongShape, tensor.name, "has shape \(tensor.shape); no tensor of a model is empty")
      }
      shapes[tensor.name] = tensor.shape
    }
    var config = try checkpoint.configuration()
    if let tokens = try ImageTokens(added: checkpoint) { config = tokens.added(to: config) }
    let configuration = try VARGPTConfiguration(
      config: config, shapes: TensorShapes(tensors: shapes))
    // Shapes may give what no configuration can say; reading it as the runtime will finds that.
    guard try VARGPTConfiguration(config: configuration.json) == configuration else {
      throw ConversionError(
        .wrongShape, "vargpt_gen.block_chunks.0.module.0.ffn.fc1.weight",
        "its rows are not 256 * round(mlp_ratio * width / 256); no VARGPT-v1.1 model has that")
    }
    return configuration
  }

  /// The disk that the conversion takes.
  ///
  /// - Parameter attachmentByteCount: bytes of everything besides weights; nil estimates it by the checkpoint's files.
  public func disk(attachmentByteCount: Int? = nil) -> DiskNeeds {
    DiskNeeds(
      rows: plan.rows,
      attachmentByteCount: attachmentByteCount ?? Metadata.estimatedByteCount(of: checkpoint))
  }
}
