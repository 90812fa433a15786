import VARSystem

/// Files of encoded pictures.
package enum ImageFile {
  /// Writes a file so that it appears whole or not at all (`WholeFile`); the error does not name it yet.
  package static func write(_ bytes: [UInt8], to path: String) throws(ImageError) {
    do throws(SystemError) {
      try WholeFile.write(bytes, to: path)
    } catch {
      throw ImageError(.notWritable, "cannot be written: \(error.message)\(error.advice)")
    }
  }
}
