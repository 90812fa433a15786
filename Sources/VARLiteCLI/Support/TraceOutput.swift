import VARLite

/// The file of `--trace`.
enum TraceOutput {
  /// Bytes of the length that a safetensors file begins with.
  private static let lengthByteCount = 8

  /// Checks before the work that a trace can be written at `path`: no other file is lost by it, be it one of `inputs`
  /// or one that is no trace.
  static func check(_ path: String, sparing inputs: [String]) throws(VARLiteError) {
    try FileOutput.check(path, sparing: inputs)
    guard path != "-", !FileOutput.isSpecial(path) else { return }
    let start = ModelFile.start(of: path)
    guard !start.isEmpty else { return }
    guard start.count > lengthByteCount, start[lengthByteCount] == UInt8(ascii: "{") else {
      throw VARLiteError(
        .request, "\(path): is there and is no .safetensors file; name another one")
    }
  }
}
