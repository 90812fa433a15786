import VARLite

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Finds the model of a command: the option, `$VARLITE_MODEL`, or the demo model beside the program.
enum DefaultModel {
  /// Where SwiftPM puts the demo model, relative to the program's own folder.
  private static let resource = "VARLite_CVARDemoModel.resources/shapes.vq4"

  static func path(option: String?) throws(GenerationError) -> String {
    if let option { return option }
    if let variable = getenv("VARLITE_MODEL") {
      let path = String(cString: variable)
      if !path.isEmpty { return path }
    }
    guard let folder = programFolder() else {
      throw GenerationError(.unusableModel, "the demo model cannot be found; use --model")
    }
    let path = folder + "/" + resource
    guard access(path, R_OK) == 0 else {
      throw GenerationError(
        .unusableModel,
        "the demo model is not at \(path); keep VARLite_CVARDemoModel.resources beside varlite, "
          + "or use --model")
    }
    return path
  }

  private static func programFolder() -> String? {
    var buffer = [UInt8](repeating: 0, count: 4096)
    let count = buffer.withUnsafeMutableBytes { bytes in
      readlink(
        "/proc/self/exe", bytes.baseAddress!.assumingMemoryBound(to: CChar.self), bytes.count)
    }
    guard count > 0, count < buffer.count else { return nil }
    let path = String(decoding: buffer.prefix(count), as: UTF8.self)
    return path.lastIndex(of: "/").map { String(path[..<$0]) }
  }
}
