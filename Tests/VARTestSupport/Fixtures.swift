#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A test file that is missing or is not what the test expects.
public struct FixtureError: Error, CustomStringConvertible {
  public let description: String

  public init(_ description: String) { self.description = description }
}

/// The files under `Tests/Fixtures`.
public enum Fixtures {
  /// The absolute path of `name`, for example `golden/vit.safetensors`.
  public static func path(_ name: String) -> String { root + "/" + name }

  /// The bytes of the fixture `name`.
  public static func bytes(_ name: String) throws -> [UInt8] { try readFile(path(name)) }

  /// The bytes of any file.
  public static func readFile(_ path: String) throws -> [UInt8] {
    guard let file = fopen(path, "rb") else { throw FixtureError("\(path): cannot be opened") }
    defer { fclose(file) }
    guard fseek(file, 0, SEEK_END) == 0 else { throw FixtureError("\(path): cannot be sized") }
    let byteCount = ftell(file)
    guard byteCount >= 0 else { throw FixtureError("\(path): cannot be sized") }
    rewind(file)
    let bytes = [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, count in
      count = fread(buffer.baseAddress, 1, byteCount, file)
    }
    guard bytes.count == byteCount else { throw FixtureError("\(path): short read") }
    return bytes
  }

  /// Writes a file that stays, unlike those of a ``TemporaryDirectory``.
  public static func writeFile(_ path: String, _ bytes: [UInt8]) throws {
    guard let file = fopen(path, "wb") else { throw FixtureError("\(path): cannot be written") }
    let count = fwrite(bytes, 1, bytes.count, file)
    guard fclose(file) == 0, count == bytes.count else {
      throw FixtureError("\(path): cannot be written")
    }
  }

  /// What an environment variable holds; nil where it is not set.
  public static func variable(_ name: String) -> String? {
    getenv(name).map { String(cString: $0) }
  }

  private static let root: String = {
    let here = #filePath.split(separator: "/", omittingEmptySubsequences: false)
    return here.dropLast(2).joined(separator: "/") + "/Fixtures"
  }()
}
