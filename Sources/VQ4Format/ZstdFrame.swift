import CZstd

/// What the header of a zstd frame declares (RFC 8878, section 3.1.1.1).
struct ZstdFrameHeader {
  let contentBytes: UInt64?
  let windowBytes: UInt64
  let hasDictionary: Bool

  init?(_ frame: UnsafeRawBufferPointer) {
    guard frame.count >= 6 else { return nil }
    var decoder = ByteDecoder(frame)
    guard decoder.next(UInt32.self) == 0xFD2F_B528 else { return nil }
    let descriptor: UInt8 = decoder.next()
    guard descriptor & 0x08 == 0 else { return nil }
    let isSingleSegment = descriptor & 0x20 != 0
    let dictionaryBytes = [0, 1, 2, 4][Int(descriptor & 3)]
    let sizeField = Int(descriptor >> 6)
    let sizeBytes = sizeField == 0 ? (isSingleSegment ? 1 : 0) : 1 << sizeField
    let headerBytes = 5 + (isSingleSegment ? 0 : 1) + dictionaryBytes + sizeBytes
    guard frame.count >= headerBytes else { return nil }

    var window: UInt64 = 0
    if !isSingleSegment {
      let byte: UInt8 = decoder.next()
      let base = UInt64(1) << (10 + UInt64(byte >> 3))
      window = base + base / 8 * UInt64(byte & 7)
    }
    for _ in 0..<dictionaryBytes { _ = decoder.next(UInt8.self) }
    var size: UInt64 = 0
    for index in 0..<sizeBytes { size |= UInt64(decoder.next(UInt8.self)) << UInt64(8 * index) }
    if sizeBytes == 2 { size += 256 }
    contentBytes = sizeBytes == 0 ? nil : size
    windowBytes = isSingleSegment ? size : window
    hasDictionary = dictionaryBytes != 0
  }

  /// Throws unless the frame says that it decodes to so many bytes, by itself and within the limits.
  static func check(
    _ frame: UnsafeRawBufferPointer, contentByteCount: Int
  ) throws(VQ4Error) {
    guard let header = ZstdFrameHeader(frame) else {
      throw VQ4Error(.frameHeader, "the bytes are no zstd frame", remedy: .convertAgain)
    }
    guard !header.hasDictionary else {
      throw VQ4Error(
        .frameDictionary, "the zstd frame needs a dictionary", remedy: .convertAgain)
    }
    guard let contentBytes = header.contentBytes else {
      throw VQ4Error(
        .frameContentSizeMissing, "the zstd frame does not declare its content size",
        remedy: .convertAgain)
    }
    guard contentBytes == UInt64(contentByteCount) else {
      throw VQ4Error(
        .frameContentSize, "the zstd frame declares another content size",
        expected: "\(contentByteCount)", found: "\(contentBytes)", remedy: .convertAgain)
    }
    guard header.windowBytes <= UInt64(VQ4Limits.maximumWindowBytes) else {
      throw VQ4Error(
        .frameWindow, "the zstd frame needs too large a window",
        expected: "at most \(VQ4Limits.maximumWindowBytes)", found: "\(header.windowBytes)",
        remedy: .convertAgain)
    }
  }
}

/// Decodes frames whose size is known beforehand; never allocates by what a frame claims.
final class ZstdDecoder {
  /// nil before the first frame.
  private var context: OpaquePointer?

  deinit { ZSTD_freeDCtx(context) }

  /// Memory that a decoder takes: whole frames are decoded in place, so no window is held.
  static let memoryBytes: Int = {
    let decoder = ZstdDecoder()
    // The context goes with its owner.
    return withExtendedLifetime(decoder) {
      (try? decoder.ready()).map { ZSTD_sizeof_DCtx($0) } ?? 0
    }
  }()

  private func ready() throws(VQ4Error) -> OpaquePointer {
    if let context { return context }
    guard let context = ZSTD_createDCtx() else { throw VQ4Error(allocating: "zstd") }
    self.context = context
    return context
  }

  /// Decodes one frame that must fill `output` exactly.
  func decode(
    _ frame: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
  ) throws(VQ4Error) {
    try ZstdFrameHeader.check(frame, contentByteCount: output.count)
    guard ZSTD_findFrameCompressedSize(frame.baseAddress, frame.count) == frame.count else {
      throw VQ4Error(
        .frameCorrupt, "the zstd frame does not end with its chunk", remedy: .convertAgain)
    }
    let written = ZSTD_decompressDCtx(
      try ready(), output.baseAddress, output.count, frame.baseAddress, frame.count)
    guard ZSTD_isError(written) == 0, written == output.count else {
      throw VQ4Error(
        .frameCorrupt, "the zstd frame does not decode to its declared size",
        remedy: .convertAgain)
    }
  }
}

/// Compresses at level 1, the measured optimum for codes, into frames that declare their size.
final class ZstdEncoder {
  /// nil before the first chunk.
  private var context: OpaquePointer?

  deinit { ZSTD_freeCCtx(context) }

  static var version: Int { Int(ZSTD_versionNumber()) }

  static func bound(_ count: Int) -> Int { ZSTD_compressBound(count) }

  /// The bytes written to `output`, or nil where the frame would not be smaller than `input`.
  ///
  /// - Throws: `outOfMemory`: `output` has room for any frame.
  func encode(
    _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
  ) throws(VQ4Error) -> Int? {
    if context == nil { context = ZSTD_createCCtx() }
    guard let context else { throw VQ4Error(allocating: "zstd") }
    let count = ZSTD_compressCCtx(
      context, output.baseAddress, output.count, input.baseAddress, input.count, 1)
    guard ZSTD_isError(count) == 0 else { throw VQ4Error(allocating: "zstd") }
    return count < input.count ? count : nil
  }
}
