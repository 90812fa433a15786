import VARQuantization
import VARSystem

extension Recipe {
  private static let maximumFileByteCount = 1 << 20

  /// A built-in recipe's name, or the path of a recipe file where it has a slash or ends in `.json`.
  ///
  /// Throws `unknownRecipe` where neither is found, or the faults of the document.
  package init(named name: String) throws(QuantizationError) {
    guard name.contains("/") || name.hasSuffix(".json") else {
      try self.init(builtIn: name)
      return
    }
    let bytes: [UInt8]?
    do throws(SystemError) {
      bytes = try WholeFile.read(name, atMost: Self.maximumFileByteCount)
    } catch {
      guard error.attempt == .open else { throw Self.unreadable(name) }
      throw QuantizationError(.unknownRecipe, "recipe \(name)", "\(error); check the path")
    }
    guard let bytes else { throw Self.unreadable(name) }
    try self.init(parsing: String(decoding: bytes, as: UTF8.self), source: name)
  }

  private static func unreadable(_ name: String) -> QuantizationError {
    QuantizationError(
      .malformedRecipe, "recipe \(name)",
      "cannot be read, or is larger than \(maximumFileByteCount) bytes")
  }
}
