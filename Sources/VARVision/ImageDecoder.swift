import CImageIO

/// Bounds that hold before any memory for a picture is taken.
public struct ImageLimits: Sendable, Equatable {
  /// Width times height.
  public var maximumPixels: Int
  /// Size of the encoded file.
  public var maximumFileBytes: Int

  /// By default 64 million pixels (192 MB decoded) from at most 256 MiB of file.
  public init(maximumPixels: Int = 64_000_000, maximumFileBytes: Int = 256 << 20) {
    self.maximumPixels = maximumPixels
    self.maximumFileBytes = maximumFileBytes
  }
}

/// Reads PNG (every colour type, interlaced too) and JPEG (baseline, progressive, grey, CMYK).
///
/// Alpha is dropped without compositing, grey is replicated, 16-bit samples keep their high byte, and the EXIF
/// orientation is applied. Colour profiles are ignored. All of it is what Pillow's `convert("RGB")` does, except that
/// Pillow clips 16-bit grey at 255, which turns nearly every such picture white.
public enum ImageDecoder {
  /// Decodes a file in memory; throws ``ImageError`` and never traps, whatever the bytes are.
  public static func decode(
    _ bytes: UnsafeRawBufferPointer, limits: ImageLimits = ImageLimits()
  ) throws(ImageError) -> RGBImage {
    guard !bytes.isEmpty else {
      throw ImageError(.truncated, "the picture is empty; a PNG or JPEG file is expected")
    }
    guard bytes.count <= limits.maximumFileBytes else {
      throw ImageError(
        .tooLarge, "the file has \(bytes.count) bytes, more than \(limits.maximumFileBytes)")
    }
    let source = bytes.bindMemory(to: UInt8.self)
    var header = cimage_header()
    var failure = cimage_error()
    guard cimage_read_header(source.baseAddress, source.count, &header, &failure) == 0 else {
      throw Self.error(failure, header: header, bytes: bytes)
    }
    let (width, height) = (Int(header.width), Int(header.height))
    let (pixelCount, overflow) = width.multipliedReportingOverflow(by: height)
    guard width > 0, height > 0 else { throw ImageError(.corrupt, "the picture has no pixels") }
    guard !overflow, pixelCount <= limits.maximumPixels, pixelCount <= Int.max / 3 else {
      throw ImageError(
        .tooLarge,
        "\(width) x \(height) pixels, more than \(limits.maximumPixels); shrink the picture first")
    }
    var code: Int32 = 0
    let pixels = [UInt8](unsafeUninitializedCapacity: pixelCount * 3) { buffer, count in
      code = cimage_decode_rgb(
        source.baseAddress, source.count, &header, buffer.baseAddress, &failure)
      count = code == 0 ? pixelCount * 3 : 0
    }
    guard code == 0 else { throw Self.error(failure, header: header, bytes: bytes) }
    let image = RGBImage(width: width, height: height, pixels: pixels)
    let orientation =
      switch Int(header.format) {
      case CIMAGE_PNG: ImageOrientation(png: bytes)
      default: ImageOrientation(jpeg: bytes)
      }
    return image.oriented(orientation)
  }

  /// Decodes a file in memory; throws ``ImageError`` and never traps, whatever the bytes are.
  public static func decode(
    _ bytes: [UInt8], limits: ImageLimits = ImageLimits()
  ) throws(ImageError) -> RGBImage {
    var result: Result<RGBImage, ImageError>?
    bytes.withUnsafeBytes { buffer in
      result = Result { () throws(ImageError) in try decode(buffer, limits: limits) }
    }
    return try result!.get()
  }

  /// Decodes the file at `path`; the error names it.
  public static func decode(
    path: String, limits: ImageLimits = ImageLimits()
  ) throws(ImageError) -> RGBImage {
    do throws(ImageError) {
      return try decode(
        WholeFile.load(path, maximumBytes: limits.maximumFileBytes), limits: limits)
    } catch { throw error.at(path) }
  }

  private static func error(
    _ failure: cimage_error, header: cimage_header, bytes: UnsafeRawBufferPointer
  ) -> ImageError {
    let kind = Int(header.format) == CIMAGE_PNG ? "PNG" : "JPEG"
    let text = withUnsafeBytes(of: failure.text) {
      String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
    }
    switch Int(failure.code) {
    case CIMAGE_UNKNOWN_FORMAT:
      return ImageError(
        .unknownFormat,
        "\(ImageContent.describe(bytes)), neither PNG nor JPEG; convert it to one of them")
    case CIMAGE_TRUNCATED:
      return ImageError(.truncated, "the \(kind) file is cut short (\(text)); copy it again")
    case CIMAGE_UNSUPPORTED:
      return ImageError(
        .unsupported, "this kind of \(kind) is not handled (\(text)); convert it to RGB PNG")
    case CIMAGE_OUT_OF_MEMORY:
      return ImageError(.outOfMemory, "\(text); shrink the picture first")
    default:
      return ImageError(.corrupt, "the \(kind) file is damaged (\(text)); copy it again")
    }
  }
}
