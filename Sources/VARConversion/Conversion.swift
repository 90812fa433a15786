import VARCheckpoint
import VARJSON
import VARKernels
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
  let mapping: SourceMapping

  /// What was written.
  public struct Result: Sendable {
    /// Bytes of the file.
    public let fileByteCount: Int
    /// Hash of the decoded content; equal for every layout.
    public let contentHash: String
    /// Error of each weight that is not stored exactly, in the order of execution.
    public let errors: [(name: String, precision: Precision, error: WeightError)]
  }

  /// Reads the configuration, maps every tensor, and applies the recipe.
  ///
  /// Throws `CheckpointError`, `ConfigurationError`, `ConversionError` or `QuantizationError`.
  public init(of checkpoint: Checkpoint, options: ConversionOptions) throws {
    configuration = try Self.configuration(of: checkpoint)
    guard options.memoryByteCount >= ConversionOptions.minimumMemoryByteCount else {
      throw ConversionError(
        .notEnoughMemory, "--ram \(options.memoryByteCount)",
        "the conversion takes at least \(ConversionOptions.minimumMemoryByteCount) bytes")
    }
    self.checkpoint = checkpoint
    self.options = options
    mapping = try SourceMapping(checkpoint: checkpoint, configuration: configuration)
    let sizes = Dictionary(
      checkpoint.tensors.map { ($0.name, $0.elementCount * $0.elementType.byteCount) },
      uniquingKeysWith: { first, _ in first })
    plan = try ConversionPlan(mapping: mapping, recipe: options.recipe, sizes: sizes)
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
    let configuration = try VARGPTConfiguration(
      config: try checkpoint.configuration(), shapes: TensorShapes(tensors: shapes))
    // Shapes may give what no configuration can say; reading it as the runtime will finds that.
    guard try VARGPTConfiguration(config: configuration.json) == configuration else {
      throw ConversionError(
        .wrongShape, "vargpt_gen.block_chunks.0.module.0.ffn.fc1.weight",
        "its rows are not 256 * round(mlp_ratio * width / 256); no VARGPT-v1.1 model has that")
    }
    return configuration
  }

  /// Writes the file, which appears under its name only when it is complete.
  ///
  /// The same checkpoint and options give the same bytes for every number of threads.
  /// - Parameters:
  ///   - progress: called from this thread, at most some thousand times.
  ///   - isCancelled: asked between blocks; true ends the conversion with `interrupted`, and nothing stays behind.
  /// - Throws: besides the errors of `init`, `VQ4Error` of the output.
  public func write(
    to path: String, progress: (ConversionProgress) -> Void = { _ in },
    isCancelled: () -> Bool = { false }
  ) throws -> Result {
    guard let pool = ThreadPool(threadCount: options.threadCount) else {
      throw ConversionError(
        .notEnoughMemory, "\(options.threadCount) threads",
        "the system refuses them; ask for fewer with --threads")
    }
    let writer = try VQ4Writer(path: path, layout: options.layout, overwrite: options.overwrite)
    do {
      let metadata = try Metadata(of: self, isCancelled: isCancelled, progress: progress)
      for (name, bytes, inPlace) in metadata.attachments {
        try writer.addAttachment(name, bytes, inPlace: inPlace)
      }
      let streamer = TensorStreamer(
        writer: writer, pool: pool, memoryByteCount: options.memoryByteCount)
      let errors = try writeTensors(streamer, writer, progress, isCancelled)
      let result = try writer.finish()
      return Result(
        fileByteCount: result.fileBytes, contentHash: result.contentHash, errors: errors)
    } catch {
      writer.abandon()
      throw error
    }
  }

  private func writeTensors(
    _ streamer: TensorStreamer, _ writer: VQ4Writer, _ progress: (ConversionProgress) -> Void,
    _ isCancelled: () -> Bool
  ) throws -> [(name: String, precision: Precision, error: WeightError)] {
    var errors: [(name: String, precision: Precision, error: WeightError)] = []
    var state = ConversionProgress(subject: "", doneCount: 0, totalCount: plan.elementCount)
    var group = ""
    for (row, entry) in zip(plan.rows, mapping.entries) {
      if row.group != group {
        group = row.group
        try writer.beginGroup(group)
      }
      state.subject = row.name
      let error = try streamer.write(row, entry) { elementCount in
        state.doneCount += elementCount
        progress(state)
        if isCancelled() {
          throw ConversionError(.interrupted, row.name, "stopped; no output was left behind")
        }
      }
      if row.precision != .f32 { errors.append((row.name, row.precision, error)) }
    }
    return errors
  }
}
