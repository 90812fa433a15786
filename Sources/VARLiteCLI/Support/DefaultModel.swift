import VARLite
import VARSharedCLI

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Finds the model of a command: the option, `$VARLITE_MODEL`, or the demo model beside the program.
enum DefaultModel {
  /// Where SwiftPM puts the demo model, relative to the program's own folder.
  private static let resource = "VARLite_CVARDemoModel.resources/shapes.vq4"

  static func path(option: String?) throws -> String {
    if let option { return option }
    if let path = try ProgramInput.variable("VARLITE_MODEL") { return path }
    guard let program = programPath() else {
      throw GenerationError(.unusableModel, "the demo model cannot be found; use --model")
    }
    guard let name = String(validating: program, as: UTF8.self) else {
      throw GenerationError(
        .unusableModel,
        "the demo model lies in a folder whose name is not UTF-8: "
          + "\(String(decoding: program, as: UTF8.self)); rename it, or use --model")
    }
    let folder = name[..<(name.lastIndex(of: "/") ?? name.startIndex)]
    let path = folder + "/" + resource
    guard access(path, R_OK) == 0 else {
      throw GenerationError(
        .unusableModel,
        "the demo model is not at \(path); keep VARLite_CVARDemoModel.resources beside varlite, "
          + "or use --model")
    }
    return path
  }

  /// The program's file without links; nil where the system tells nothing of it.
  private static func programPath() -> [UInt8]? {
    var buffer = [UInt8](repeating: 0, count: 4096)
    let count = buffer.withUnsafeMutableBytes { bytes in
      readlink(
        "/proc/self/exe", bytes.baseAddress!.assumingMemoryBound(to: CChar.self), bytes.count)
    }
    if count > 0, count < buffer.count { return Array(buffer.prefix(count)) }
    // Without /proc the program is where it was found when it was started.
    guard let path = ProgramInput.program, let name = realpath(path, nil) else { return nil }
    defer { free(name) }
    return Array(UnsafeRawBufferPointer(start: name, count: strlen(name)))
  }
}
