import VARSystem
import VARVision

/// A picture that the model looks at. A file is decoded when the request runs; planning reads its header alone.
public struct Picture: Sendable {
  enum Source {
    case file(String)
    case bytes([UInt8], name: String?)
    case pixels(RGBImage)
    case extents(width: Int, height: Int)
  }

  let source: Source

  /// What errors call the picture; nil where it has no name.
  var name: String? {
    switch source {
    case .file(let path): path
    case .bytes(_, let name): name
    case .pixels(let image): image.source?.name
    case .extents: nil
    }
  }

  /// A PNG, JPEG or WebP file.
  public init(path: String) { source = .file(path) }

  /// A PNG, JPEG or WebP file in memory.
  ///
  /// - Parameter name: what errors call the picture.
  public init(bytes: [UInt8], name: String? = nil) { source = .bytes(bytes, name: name) }

  /// Pixels: `[height, width, 3]`, red, green, blue, 8 bits each.
  public init(_ pixels: RGBImage) { source = .pixels(pixels) }

  /// A picture of which only the extents are known, in pixels: good for a plan, not for a run.
  public init(width: Int, height: Int) { source = .extents(width: width, height: height) }

  /// Width and height of the upright picture, in pixels. Reads the header of a file, no pixels.
  ///
  /// - Throws: an error of the category `picture` where the file is none or larger than any that is read.
  public func extents() throws(VARLiteError) -> (width: Int, height: Int) {
    let size = try outline(target: .understanding, limits: ImageLimits()).extents
    return (size.width, size.height)
  }

  /// The extents that ``decoded(target:byteCount:)`` gives, and what it takes beside what the caller holds already.
  package func outline(
    target: ImageTarget = .understanding, limits: ImageLimits
  ) throws(VARLiteError) -> ImageDecoder.Outline {
    do throws(ImageError) {
      switch source {
      case .file(let path):
        return try ImageDecoder.outline(path: path, limits: limits, target: target)
      case .bytes(let bytes, let name):
        let outline = try ImageDecoder.outline(
          bytes, name: name, limits: limits.beside(bytes), target: target)
        return ImageDecoder.Outline(
          extents: outline.extents, decodingByteCount: outline.decodingByteCount - bytes.count)
      case .pixels(let image):
        return ImageDecoder.Outline(
          extents: ImageDecoder.Extents(width: image.width, height: image.height),
          decodingByteCount: 0)
      case .extents(let width, let height):
        guard width > 0, height > 0 else {
          throw ImageError(.tooSmall, "\(width) x \(height) pixels are no picture")
        }
        guard max(width, height) <= 1 << 30 else {
          throw ImageError(.tooLarge, "\(width) x \(height) pixels; no side may be over 2^30")
        }
        return ImageDecoder.Outline(
          extents: ImageDecoder.Extents(width: width, height: height),
          decodingByteCount: min(width * height, ImageLimits.largestWholeJPEG) * 3)
      }
    } catch { throw VARLiteError(error) }
  }

  /// The pixels.
  ///
  /// - Parameters:
  ///   - target: what a very large JPEG file may be reduced to.
  ///   - byteCount: what may be taken: that of the outline. A file that takes more was changed since.
  package func decoded(target: ImageTarget, byteCount: Int) throws(VARLiteError) -> RGBImage {
    var limits = ImageLimits()
    limits.maximumMemoryBytes = byteCount
    do throws(SystemError) { try HeapMemory.require(byteCount) } catch {
      throw VARLiteError.noMemory(byteCount)
    }
    do throws(ImageError) {
      switch source {
      case .file(let path):
        return try ImageDecoder.decode(path: path, limits: limits, target: target)
      case .bytes(let bytes, let name):
        return try ImageDecoder.decode(
          bytes, name: name, limits: limits.beside(bytes), target: target)
      case .pixels(let image): return image
      case .extents: break
      }
    } catch { throw VARLiteError(error) }
    throw VARLiteError(
      .request, "only the extents of a picture are known; give its file or its pixels")
  }
}

extension ImageLimits {
  /// The limits for a file whose bytes its owner holds: they are not taken anew.
  fileprivate func beside(_ bytes: [UInt8]) -> ImageLimits {
    var limits = self
    limits.maximumMemoryBytes = min(Int.max - bytes.count, limits.maximumMemoryBytes) + bytes.count
    return limits
  }
}
