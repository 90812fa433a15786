import VARKernels
import VARLite
import VARSystem
import VARVision

/// Reads the pictures that a command names.
enum PictureInput {
  /// Stands for standard input.
  static let standardInput = "-"

  /// A picture for a request: a file, or standard input where the path is `-`. Its header is checked; the pixels are
  /// decoded when the memory for them is planned.
  ///
  /// - Parameter ram: memory that the program may take; nil takes what the system has.
  static func picture(_ path: String, ram: ByteCount?) throws -> Picture {
    guard path == standardInput else { return try file(path, ram: ram).picture }
    var input = StandardInput()
    let picture = Picture(
      bytes: try streamed(limits(ram), StandardInput.name) { try input.bytes(atMost: $0) },
      name: StandardInput.name)
    _ = try picture.outline(limits: limits(ram))
    return picture
  }

  /// A file, whatever its name, and its extents. A pipe, which gives its bytes once, is read at once.
  static func file(
    _ path: String, ram: ByteCount?
  ) throws -> (picture: Picture, extents: ImageDecoder.Extents) {
    guard !path.isEmpty else {
      throw VARLiteError(.request, "a picture has an empty name; name a file")
    }
    var picture = Picture(path: path)
    if FileStatus(path)?.kind == .special {
      picture = Picture(bytes: try bytes(path, ram: ram), name: path)
    }
    return (picture, try picture.outline(limits: limits(ram)).extents)
  }

  /// Whether bytes begin as a PNG, JPEG or WebP file does.
  static func isPicture(_ start: [UInt8]) -> Bool {
    PNGTexts.isPNG(start) || start.starts(with: [0xFF, 0xD8, 0xFF])
      || start.starts(with: Array("RIFF".utf8))
  }

  /// What a picture's file tells of how it was drawn.
  static func texts(_ path: String, ram: ByteCount?) throws -> PictureTexts {
    guard !path.isEmpty else {
      throw VARLiteError(.request, "a picture has an empty name; name a file")
    }
    return try PictureTexts(png: bytes(path, ram: ram), name: path, limits: limits(ram))
  }

  /// The bytes of a file.
  private static func bytes(_ path: String, ram: ByteCount?) throws -> [UInt8] {
    try streamed(limits(ram), path) { count throws(VARLiteError) in
      do throws(SystemError) { return try WholeFile.read(path, atMost: count) } catch {
        throw VARLiteError(.picture, "\(path): cannot be read: \(error.message)\(error.advice)")
      }
    }
  }

  /// Bytes whose number is not known beforehand.
  private static func streamed(
    _ limits: ImageLimits, _ name: String, _ read: (_ atMost: Int) throws -> [UInt8]?
  ) throws -> [UInt8] {
    var limits = limits
    // For a moment the bytes are there twice, when the array that they are gathered in grows.
    limits.maximumMemoryBytes /= 2
    guard let bytes = try read(limits.readableFileBytes) else {
      throw limits.excess(nil).at(name)
    }
    return bytes
  }

  /// Decoding must fit into what the budget leaves; it is never a reason to decode less of the picture.
  private static func limits(_ ram: ByteCount?) -> ImageLimits {
    var limits = ImageLimits()
    guard let budget = ram?.bytes ?? SystemMemory.current()?.defaultBudgetBytes else {
      return limits
    }
    let used = ProcessMemory.current()?.byteCount ?? 0
    limits.maximumMemoryBytes = max(0, budget - used)
    return limits
  }
}
