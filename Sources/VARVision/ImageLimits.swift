/// Bounds that hold before any memory for a picture is taken.
package struct ImageLimits: Sendable, Equatable {
  /// A JPEG file of more pixels than this is decoded at a part of its sides, see ``ImageTarget``; the others whole.
  package static let largestWholeJPEG = 64_000_000

  /// Width times height of what is decoded.
  package var maximumPixels: Int
  /// Size of the encoded file.
  package var maximumFileBytes: Int
  /// What decoding may take: the file, the pixels, and what the decoder allocates meanwhile.
  package var maximumMemoryBytes: Int

  /// By default 200 million pixels (600 MB) from at most 256 MiB of file, in at most 2 GiB.
  package init(
    maximumPixels: Int = 200_000_000, maximumFileBytes: Int = 256 << 20,
    maximumMemoryBytes: Int = 2 << 30
  ) {
    self.maximumPixels = maximumPixels
    self.maximumFileBytes = maximumFileBytes
    self.maximumMemoryBytes = maximumMemoryBytes
  }

  /// Bytes of a file that are read: a larger one is refused, as too large or for want of memory.
  package var readableFileBytes: Int { min(maximumFileBytes, maximumMemoryBytes) }

  /// The error about a file that is larger than ``readableFileBytes``.
  ///
  /// - Parameter byteCount: its size, where that is known.
  package func excess(_ byteCount: Int?) -> ImageError {
    guard maximumMemoryBytes < maximumFileBytes else {
      return ImageError(.tooLarge, "more than \(maximumFileBytes) bytes of file")
    }
    let size = byteCount.map { "\($0)" } ?? "more than \(maximumMemoryBytes)"
    return ImageError(
      .outOfMemory,
      "the file alone takes \(size) bytes of memory, \(max(0, maximumMemoryBytes)) are there for "
        + "it; shrink the picture first")
  }
}
