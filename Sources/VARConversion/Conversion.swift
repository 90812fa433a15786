import VARCheckpoint
import VARJSON
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
package struct Conversion: Sendable {
  /// Its tensors have the names of the official checkpoint.
  package let checkpoint: Checkpoint
  /// What the file will say about the model.
  package var configuration: VARGPTConfiguration { documents.configuration }
  package let options: ConversionOptions
  /// What the file will hold.
  package let plan: ConversionPlan
  /// The memory that it takes.
  package let memory: MemoryNeeds
  let documents: SourceDocuments
  let mapping: SourceMapping

  /// What the user should know about the checkpoint, a line each: keys that nothing knows, tensors that nothing needs,
  /// settings that win over others.
  package var notes: [String] {
    (documents.notes + [SourceNotes.skipped(plan.skipped)].compactMap { $0 }).map(\.printable)
  }

  /// What was written.
  package struct Result: Sendable {
    /// Bytes of the file.
    package let fileByteCount: Int
    /// Hash of the decoded content; equal for every layout.
    package let contentHash: String
    /// Error of each weight that is not stored exactly, in the order of execution; empty where the file was there.
    package let errors: [(name: String, precision: Precision, error: WeightError)]
    /// Elements that a stopped conversion had done before.
    package let resumedElementCount: Int
    /// Whether the file was there already, so that nothing was written.
    package let wasFinished: Bool
  }

  /// Reads the configuration, maps every tensor, looks for what a stopped download left, and applies the recipe.
  ///
  /// Throws `CheckpointError`, `ConfigurationError`, `ConversionError` or `QuantizationError`.
  package init(of checkpoint: Checkpoint, options: ConversionOptions) throws {
    let checkpoint = try checkpoint.withOfficialNames()
    documents = try SourceDocuments(checkpoint)
    self.checkpoint = checkpoint
    self.options = options
    mapping = try SourceMapping(
      checkpoint: checkpoint, configuration: documents.configuration)
    if !options.allowsZeroWeights {
      try StoppedDownload(
        checkpoint: checkpoint, usedNames: mapping.usedNames,
        factorNames: Set(checkpoint.factorTargets.keys),
        vocabularySize: { [documents] in
          try Metadata.vocabularySize(of: checkpoint, documents.configuration)
        }
      ).check()
    }
    let sizes = Dictionary(
      checkpoint.tensors.map { ($0.name, $0.byteCount) },
      uniquingKeysWith: { first, _ in first })
    plan = try ConversionPlan(mapping: mapping, recipe: options.recipe, sizes: sizes)
    try options.calibration?.require(options.recipe, mapping.entries.map(\.specification))
    let needs = MemoryNeeds(
      rows: plan.rows, entries: mapping.entries,
      tokenizerByteCount: Metadata.estimatedByteCount(of: checkpoint),
      headerByteCount: checkpoint.shards.reduce(0) { $0 + $1.headerByteCount },
      options: options
    )
    memory =
      options.withPreviewMap
      ? try needs.including(
        PreviewFitting(mapping, documents.configuration).byteCount(threadCount:),
        limit: options.memoryByteCount) : needs
    guard memory.byteCount <= options.memoryByteCount else {
      throw ConversionError(
        .notEnoughMemory, "a budget of \(options.memoryByteCount) bytes",
        "this conversion takes at least \(memory.minimumByteCount) bytes",
        remedy: .grant(bytes: memory.minimumByteCount))
    }
    guard !options.withCanaries || canariesMemoryByteCount <= options.memoryByteCount else {
      throw ConversionError(
        .notEnoughMemory, "a budget of \(options.memoryByteCount) bytes",
        "taking canaries takes \(canariesMemoryByteCount) bytes",
        remedy: .grant(bytes: canariesMemoryByteCount))
    }
  }

  /// Bytes of canaries at most, but for models of other shapes than the released one.
  private static let canariesByteCount = 8 << 20

  /// Name of the attachment that holds canaries.
  static let canariesName = "canaries"

  /// The disk that the conversion takes.
  ///
  /// - Parameter attachmentByteCount: bytes of everything besides weights; nil estimates it by the checkpoint's files.
  package func disk(attachmentByteCount: Int? = nil) -> DiskNeeds {
    DiskNeeds(
      rows: plan.rows,
      attachmentByteCount: (attachmentByteCount ?? Metadata.estimatedByteCount(of: checkpoint))
        + (options.withCanaries ? Self.canariesByteCount : 0))
  }
}
