import VARKernels
import VARQuantization
import VQ4Format

/// What the user decides about a conversion.
public struct ConversionOptions: Sendable {
  /// Which precision each weight gets.
  public var recipe: Recipe
  /// Which streams are compressed.
  public var layout: VQ4StorageLayout
  /// Threads that quantize, 1...256; the file does not depend on it.
  public var threadCount: Int
  /// Bytes that the conversion may take besides the mapped checkpoint.
  public var memoryByteCount: Int
  /// Whether an existing output is replaced.
  public var overwrite: Bool

  public static let defaultMemoryByteCount = 256 << 20
  /// Below this the buffers of one row tile and the scales of the largest weight do not fit.
  public static let minimumMemoryByteCount = 96 << 20

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
}
