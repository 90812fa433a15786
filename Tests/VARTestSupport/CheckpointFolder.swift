import VARJSON

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A checkpoint folder that a test may edit, its tensors under other names or with more beside them.
public struct CheckpointFolder {
  public let directory = TemporaryDirectory()
  public var path: String { directory.path }

  /// An empty folder.
  public init() {}

  /// A copy of the folder at `source`, but for files that `isWanted` does not want.
  public init(copying source: String, where isWanted: (String) -> Bool = { _ in true }) throws {
    try add(from: source, where: isWanted)
  }

  /// Copies the files of another folder.
  public func add(from source: String, where isWanted: (String) -> Bool = { _ in true }) throws {
    guard let stream = opendir(source) else { throw FixtureError("\(source): no folder") }
    defer { closedir(stream) }
    while let entry = readdir(stream) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      guard !name.hasPrefix("."), isWanted(name) else { continue }
      directory.write(name, try Fixtures.readFile("\(source)/\(name)"))
    }
  }

  /// Gives the tensors of all shards, and the entries of the index, other names.
  public func renameTensors(_ name: (String) -> String) throws {
    for file in directory.names() where file.hasSuffix(".safetensors") {
      try editHeader(of: file) { header in
        JSONObject(
          header.members.map { ($0.key == "__metadata__" ? $0.key : name($0.key), $0.value) })
      }
    }
    let index = "model.safetensors.index.json"
    guard directory.names().contains(index) else { return }
    let document = try JSONValue(parsing: Fixtures.readFile(directory.file(index)))
    guard var object = document.objectValue, let map = object["weight_map"]?.objectValue else {
      throw FixtureError("\(index): no weight_map")
    }
    object["weight_map"] = .object(JSONObject(map.members.map { (name($0.key), $0.value) }))
    directory.write(index, JSONValue.object(object).text)
  }

  /// Appends a tensor of any type to a shard; no index learns of it.
  public func addTensor(
    _ name: String, type: String, shape: [Int], bytes: [UInt8],
    to file: String = "model.safetensors"
  ) throws {
    var end = 0
    try editHeader(of: file) { header in
      for (_, value) in header.members {
        end = max(end, value["data_offsets"]?.arrayValue?.last?.integerValue ?? 0)
      }
      var header = header
      header[name] = .object(
        JSONObject([
          ("dtype", .string(type)), ("shape", .array(shape.map { .integer($0) })),
          ("data_offsets", .array([.integer(end), .integer(end + bytes.count)])),
        ]))
      return header
    }
    directory.write(file, try Fixtures.readFile(directory.file(file)) + bytes)
  }

  private func editHeader(of file: String, _ edit: (JSONObject) -> JSONObject) throws {
    let bytes = try Fixtures.readFile(directory.file(file))
    let length = bytes.withUnsafeBytes {
      Int(UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self)))
    }
    let value = try JSONValue(parsing: Array(bytes[8..<8 + length]))
    guard let header = value.objectValue else { throw FixtureError("\(file): no header") }
    let text = Array(JSONValue.object(edit(header)).text.utf8)
    let count = withUnsafeBytes(of: UInt64(text.count).littleEndian) { Array($0) }
    directory.write(file, count + text + bytes[(8 + length)...])
  }
}
