import VARKernels
import VARLite
import VARSystem
import VARVision

/// Reads the pictures that a command names.
enum PictureInput {
  /// Stands for standard input.
  static let standardInput = "-"

  /// A picture for a request: a file, or standard input where the path is `-`. Its header is checked.
  static func picture(_ path: String) throws -> Picture {
    let picture =
      path == standardInput
      ? Picture(bytes: try standardInputBytes(ImageLimits()), name: StandardInput.name)
      : Picture(path: path)
    _ = try picture.extents()
    return picture
  }

  /// Reads a file, or standard input where the path is `-`.
  ///
  /// - Parameters:
  ///   - target: what the picture is resized to.
  ///   - ram: memory that the program may take; nil takes what the system has.
  static func load(_ path: String, for target: ImageTarget, ram: ByteCount?) throws -> RGBImage {
    guard path == standardInput else { return try file(path, for: target, ram: ram) }
    let limits = limits(ram)
    return try ImageDecoder.decode(
      standardInputBytes(limits), name: StandardInput.name, limits: limits, target: target)
  }

  private static func standardInputBytes(_ limits: ImageLimits) throws -> [UInt8] {
    var input = StandardInput()
    guard let bytes = try input.bytes(atMost: limits.maximumFileBytes) else {
      throw ImageError(
        .tooLarge, path: StandardInput.name, "more than \(limits.maximumFileBytes) bytes of file")
    }
    return bytes
  }

  /// Reads a file, whatever its name.
  static func file(
    _ path: String, for target: ImageTarget = .understanding, ram: ByteCount?
  ) throws(ImageError) -> RGBImage {
    try ImageDecoder.decode(path: path, limits: limits(ram), target: target)
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
