import VARQuantization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

extension Recipe {
  private static let maximumFileByteCount = 1 << 20

  /// A built-in recipe's name, or the path of a recipe file where it has a slash or ends in `.json`.
  ///
  /// Throws `unknownRecipe` where neither is found, or the faults of the document.
  public init(named name: String) throws(QuantizationError) {
    guard name.contains("/") || name.hasSuffix(".json") else {
      try self.init(builtIn: name)
      return
    }
    guard let file = fopen(name, "rb") else {
      throw QuantizationError(
        .unknownRecipe, "recipe \(name)",
        "cannot be opened: \(String(cString: strerror(errno))); check the path")
    }
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: Self.maximumFileByteCount + 1)
    let count = fread(&bytes, 1, bytes.count, file)
    guard ferror(file) == 0, count <= Self.maximumFileByteCount else {
      throw QuantizationError(
        .malformedRecipe, "recipe \(name)",
        "cannot be read, or is larger than \(Self.maximumFileByteCount) bytes")
    }
    try self.init(parsing: String(decoding: bytes[..<count], as: UTF8.self), source: name)
  }
}
