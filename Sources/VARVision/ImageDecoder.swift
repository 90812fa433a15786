import CImageIO
import VARSystem

/// What becomes of transparent pixels.
package enum AlphaRule: Sendable, Equatable {
  /// They lie on white, as Pillow pastes a picture with its alpha as mask: a sample c under alpha a becomes the integer
  /// nearest to `(c * a + 255 * (255 - a)) / 255`.
  case onWhite
  /// Alpha is dropped, as Pillow's `convert("RGB")` does: transparent pixels show the colour that is stored under them,
  /// most often black. This is the reference's way, kept for comparisons with it.
  case dropped
}

/// Reads PNG (every colour type, interlaced too), JPEG (baseline, progressive, grey, CMYK) and WebP (lossy, lossless).
///
/// Alpha, also that of palettes and of single transparent colours, follows an ``AlphaRule``. Grey is replicated,
/// 16-bit samples keep their high byte, and the orientation is applied that Pillow's `exif_transpose` finds. Colour
/// profiles are ignored. But for alpha, all of it is what Pillow's `convert("RGB")` does, except that Pillow clips
/// 16-bit grey at 255, which turns nearly every such picture white.
package enum ImageDecoder {
  /// Decodes a file in memory; throws ``ImageError`` and never traps, whatever the bytes are.
  ///
  /// - Parameter name: what errors call the picture.
  /// - Parameter target: what a very large JPEG file may be reduced to.
  package static func decode(
    _ bytes: [UInt8], name: String? = nil, limits: ImageLimits = ImageLimits(),
    target: ImageTarget = .understanding, alpha: AlphaRule = .onWhite
  ) throws(ImageError) -> RGBImage {
    var result = Result<RGBImage, ImageError>.failure(ImageError(.corrupt, "nothing was decoded"))
    bytes.withUnsafeBytes { buffer in
      result = Result { () throws(ImageError) in
        try PictureFile(buffer, limits: limits, target: target).decode(alpha: alpha)
      }
    }
    do throws(ImageError) {
      var image = try result.get()
      image.source?.name = name
      return image
    } catch { throw error.at(name) }
  }

  /// Decodes the file at `path`; the error names it.
  package static func decode(
    path: String, limits: ImageLimits = ImageLimits(), target: ImageTarget = .understanding,
    alpha: AlphaRule = .onWhite
  ) throws(ImageError) -> RGBImage {
    try decode(
      try file(path, limits), name: path, limits: limits, target: target, alpha: alpha)
  }

  /// Width and height of a decoded picture, in pixels, upright.
  package struct Extents: Sendable, Equatable {
    package let width, height: Int

    package init(width: Int, height: Int) {
      self.width = width
      self.height = height
    }
  }

  /// What the header of a file tells, before a pixel is decoded.
  package struct Outline: Sendable, Equatable {
    /// What the file is decoded to.
    package let extents: Extents
    /// Bytes of memory that decoding takes: the file, the pixels, and what the decoder holds meanwhile.
    package let decodingByteCount: Int

    package init(extents: Extents, decodingByteCount: Int) {
      self.extents = extents
      self.decodingByteCount = decodingByteCount
    }
  }

  /// What a file in memory would be decoded to. Reads and checks its header, as decoding does.
  package static func outline(
    _ bytes: [UInt8], name: String? = nil, limits: ImageLimits = ImageLimits(),
    target: ImageTarget = .understanding
  ) throws(ImageError) -> Outline {
    var result = Result<Outline, ImageError>.failure(ImageError(.corrupt, "nothing was read"))
    bytes.withUnsafeBytes { buffer in
      result = Result { () throws(ImageError) in
        let file = try PictureFile(buffer, limits: limits, target: target)
        return Outline(extents: file.extents, decodingByteCount: file.decodingByteCount)
      }
    }
    do throws(ImageError) { return try result.get() } catch { throw error.at(name) }
  }

  /// The same of the file at `path`.
  package static func outline(
    path: String, limits: ImageLimits = ImageLimits(), target: ImageTarget = .understanding
  ) throws(ImageError) -> Outline {
    try outline(try file(path, limits), name: path, limits: limits, target: target)
  }

  private static func file(
    _ path: String, _ limits: ImageLimits
  ) throws(ImageError) -> [UInt8] {
    let bytes: [UInt8]?
    do throws(SystemError) {
      bytes = try WholeFile.read(path, atMost: limits.readableFileBytes)
    } catch {
      throw ImageError(
        .unreadable, path: path,
        error.isFolder ? "a directory; name a picture" : "\(error)\(error.advice)")
    }
    guard let bytes else { throw limits.excess(FileStatus(path)?.byteCount).at(path) }
    return bytes
  }
}

/// An encoded picture whose extents are known and within the limits.
private struct PictureFile {
  private let bytes: UnsafeRawBufferPointer
  private var header = cimage_header()
  private let orientation: ImageOrientation
  /// By what the sides are divided.
  private let reduction: Int

  init(
    _ bytes: UnsafeRawBufferPointer, limits: ImageLimits, target: ImageTarget
  ) throws(ImageError) {
    guard !bytes.isEmpty else {
      throw ImageError(.truncated, "the picture is empty; a PNG, JPEG or WebP file is expected")
    }
    guard bytes.count <= limits.maximumFileBytes else {
      throw ImageError(
        .tooLarge, "the file has \(bytes.count) bytes, more than \(limits.maximumFileBytes)")
    }
    self.bytes = bytes
    var failure = cimage_error()
    let source = bytes.bindMemory(to: UInt8.self)
    guard cimage_read_header(source.baseAddress, source.count, &header, &failure) == 0 else {
      throw Self.error(failure, header.format, bytes)
    }
    let (width, height) = (Int(header.width), Int(header.height))
    guard width > 0, height > 0 else { throw ImageError(.corrupt, "the picture has no pixels") }
    orientation = ImageOrientation(format: Int(header.format), bytes)
    let reduction =
      Int(header.format) == CIMAGE_JPEG
      ? target.reduction(width: width, height: height, maximumPixels: limits.maximumPixels) : 1
    guard let reduction, Self.pixelCount(header, reduction) <= limits.maximumPixels else {
      throw ImageError(
        .tooLarge,
        "\(width) x \(height) pixels, more than \(limits.maximumPixels); shrink the picture first")
    }
    self.reduction = reduction
    try requireMemory(limits.maximumMemoryBytes)
  }

  private static func pixelCount(_ header: cimage_header, _ reduction: Int) -> Int {
    let (pixels, overflow) = ImageTarget.reduced(Int(header.width), reduction)
      .multipliedReportingOverflow(by: ImageTarget.reduced(Int(header.height), reduction))
    return overflow || pixels > Int.max / 8 ? Int.max : pixels
  }

  /// The decoder's own memory is given back before the picture is turned into a copy.
  var decodingByteCount: Int {
    let pixels = Self.pixelCount(header, reduction) * 3
    let turned = orientation == .upright ? 0 : pixels
    return bytes.count + pixels + max(turned, Int(clamping: header.working_byte_count))
  }

  private func requireMemory(_ available: Int) throws(ImageError) {
    let needed = decodingByteCount
    guard needed > available else { return }
    throw ImageError(
      .outOfMemory,
      "decoding \(header.width) x \(header.height) pixels takes \(needed >> 20) MiB of memory, "
        + "\(max(0, available) >> 20) MiB are there for it; shrink the picture first")
  }

  var extents: ImageDecoder.Extents {
    let width = ImageTarget.reduced(Int(header.width), reduction)
    let height = ImageTarget.reduced(Int(header.height), reduction)
    return orientation.swapsSides
      ? ImageDecoder.Extents(width: height, height: width)
      : ImageDecoder.Extents(width: width, height: height)
  }

  func decode(alpha: AlphaRule) throws(ImageError) -> RGBImage {
    let source = bytes.bindMemory(to: UInt8.self)
    var header = header
    var decoding = cimage_decoding(
      reduction: UInt32(reduction), drops_alpha: alpha == .dropped ? 1 : 0)
    var failure = cimage_error()
    var code: Int32 = 0
    let byteCount = Self.pixelCount(header, reduction) * 3
    let pixels = [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, count in
      code = cimage_decode_rgb(
        source.baseAddress, source.count, &header, &decoding, buffer.baseAddress, &failure)
      count = code == 0 ? byteCount : 0
    }
    guard code == 0 else { throw Self.error(failure, header.format, bytes) }
    var image = RGBImage(
      width: ImageTarget.reduced(Int(header.width), reduction),
      height: ImageTarget.reduced(Int(header.height), reduction), pixels: pixels
    ).oriented(orientation)
    let (width, height) = (Int(header.width), Int(header.height))
    image.source =
      orientation.swapsSides
      ? ImageSource(width: height, height: width) : ImageSource(width: width, height: height)
    return image
  }

  private static func error(
    _ failure: cimage_error, _ format: Int32, _ bytes: UnsafeRawBufferPointer
  ) -> ImageError {
    let kind =
      switch Int(format) {
      case CIMAGE_PNG: "PNG"
      case CIMAGE_JPEG: "JPEG"
      default: "WebP"
      }
    let text = withUnsafeBytes(of: failure.text) {
      String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
    }
    switch Int(failure.code) {
    case CIMAGE_UNKNOWN_FORMAT:
      return ImageError(.unknownFormat, ImageContent.describe(bytes))
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
