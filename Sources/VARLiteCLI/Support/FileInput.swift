import VARLite
import VARSystem

/// Reads whole small files.
enum FileInput {
  /// A `tokenizer.json` may have as much.
  static let maximumByteCount = 16 << 20

  static func bytes(_ path: String) throws(VARLiteError) -> [UInt8] {
    guard !path.isEmpty else {
      throw VARLiteError(.request, "a file has an empty name; name one")
    }
    let bytes: [UInt8]?
    do throws(SystemError) {
      bytes = try WholeFile.read(path, atMost: maximumByteCount)
    } catch {
      throw VARLiteError(.model, "\(path): cannot be read: \(error.message)")
    }
    guard let bytes else {
      throw VARLiteError(.model, "\(path): is larger than \(maximumByteCount) bytes")
    }
    return bytes
  }
}
