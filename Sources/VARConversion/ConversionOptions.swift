import VARQuantization
import VARSystem
import VQ4Format

/// What the user decides about a conversion.
package struct ConversionOptions: Sendable {
  /// Which precision each weight gets.
  package var recipe: Recipe
  /// Which streams are compressed.
  package var layout: VQ4StorageLayout
  /// Threads that quantize, 1...256; the file does not depend on it.
  package var threadCount: Int
  /// Bytes of memory that the process may take at its peak; the file does not depend on it.
  package var memoryByteCount: Int
  /// Whether an existing output is replaced, and what a stopped conversion left beside it.
  package var overwrite: Bool
  /// What weights are rounded with; nil rounds each to the nearest.
  package var calibration: CalibrationFile?
  /// Whether weights may be one value throughout, or zeros to the end of their file. Else they are refused, since a
  /// download that stopped leaves them so.
  package var allowsZeroWeights = false
  /// Whether the file gets a map of colours, by which drawings are watched without the picture decoder. It is fitted
  /// with the checkpoint's own picture tokenizer: a few seconds for a small one.
  package var withPreviewMap = false
  /// Whether the file gets canaries: what its layers make of a small case, for `varlite check`.
  package var withCanaries = false
  /// Whether a stop, by the caller, by the disk or by the end of the process, leaves a journal and a partial file that
  /// a later conversion can go on with.
  package var keepsProgress = false
  /// Whether to go on with a stopped conversion, if one stands beside the output, and whether an output that is what
  /// this conversion makes counts as done. Needs `keepsProgress`.
  package var resumes = false
  /// Chunks and vectors between records in the journal, for which the work then waits. Nil goes by time and waits for
  /// nothing: an eighth of the time that has passed, at most 3 s.
  package var journalItemCount: Int?

  package static let defaultMemoryByteCount = 1 << 30

  package init(
    recipe: Recipe, layout: VQ4StorageLayout = .auto,
    threadCount: Int = ThreadPool.defaultThreadCount,
    memoryByteCount: Int = ConversionOptions.defaultMemoryByteCount, overwrite: Bool = false
  ) {
    self.recipe = recipe
    self.layout = layout
    self.threadCount = threadCount
    self.memoryByteCount = memoryByteCount
    self.overwrite = overwrite
  }
}

/// How far a conversion or check is.
package struct ConversionProgress: Sendable {
  /// What happens now: a tensor's or a shard's name.
  package var subject: String
  /// Elements done and to do.
  package var doneCount: Int
  package var totalCount: Int
  /// Elements of those done that a stopped conversion had done before.
  package var resumedCount = 0
}
