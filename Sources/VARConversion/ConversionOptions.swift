import VARQuantization
import VARSystem
import VQ4Format

/// What the user decides about a conversion.
public struct ConversionOptions: Sendable {
  /// Which precision each weight gets.
  public var recipe: Recipe
  /// Which streams are compressed.
  public var layout: VQ4StorageLayout
  /// Threads that quantize, 1...256; the file does not depend on it.
  public var threadCount: Int
  /// Bytes of memory that the process may take at its peak; the file does not depend on it.
  public var memoryByteCount: Int
  /// Whether an existing output is replaced, and what a stopped conversion left beside it.
  public var overwrite: Bool
  /// Whether weights may be one value throughout, or zeros to the end of their file. Else they are refused, since a
  /// download that stopped leaves them so.
  public var allowsZeroWeights = false
  /// Whether a stop, by the caller, by the disk or by the end of the process, leaves a journal and a partial file that
  /// a later conversion can go on with.
  public var keepsProgress = false
  /// Whether to go on with a stopped conversion, if one stands beside the output, and whether an output that is what
  /// this conversion makes counts as done. Needs `keepsProgress`.
  public var resumes = false
  /// Chunks and vectors between records in the journal, for which the work then waits. Nil goes by time and waits for
  /// nothing: an eighth of the time that has passed, at most 3 s.
  package var journalItemCount: Int?

  public static let defaultMemoryByteCount = 1 << 30

  public init(
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
public struct ConversionProgress: Sendable {
  /// What happens now: a tensor's or a shard's name.
  public var subject: String
  /// Elements done and to do.
  public var doneCount: Int
  public var totalCount: Int
  /// Elements of those done that a stopped conversion had done before.
  public var resumedCount = 0
}
