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
    guard path == standardInput else { return try file(path, ram: ram) }
    let picture = Picture(bytes: try standardInputBytes(limits(ram)), name: StandardInput.name)
    _ = try picture.outline(limits: limits(ram))
    return picture
  }

  private static func standardInputBytes(_ limits: ImageLimits) throws -> [UInt8] {
    var limits = limits
    // For a moment the bytes are there twice, when the array that they are gathered in grows.
    limits.maximumMemoryBytes /= 2
    var input = StandardInput()
    guard let bytes = try input.bytes(atMost: limits.readableFileBytes) else {
      throw limits.excess(nil).at(StandardInput.name)
    }
    return bytes
  }

  /// A file, whatever its name.
  static func file(_ path: String, ram: ByteCount?) throws(VARLiteError) -> Picture {
    let picture = Picture(path: path)
    _ = try picture.outline(limits: limits(ram))
    return picture
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
