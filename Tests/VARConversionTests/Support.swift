import VARQuantization
import VQ4Format

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A directory that is removed with its plain files when the value goes away.
final class TemporaryDirectory {
  let path: String

  init() {
    var template = Array("/tmp/varlite-conversion-XXXXXX".utf8CString)
    path = template.withUnsafeMutableBufferPointer { String(cString: mkdtemp($0.baseAddress!)!) }
  }

  deinit {
    for name in names() { unlink("\(path)/\(name)") }
    rmdir(path)
  }

  func write(_ name: String, _ bytes: [UInt8]) {
    let file = fopen("\(path)/\(name)", "wb")!
    fwrite(bytes, 1, bytes.count, file)
    fclose(file)
  }

  /// Names of the files in it.
  func names() -> [String] {
    guard let directory = opendir(path) else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != ".", name != ".." { names.append(name) }
    }
    return names.sorted()
  }
}

/// The values of a float tensor of a file, row-major in its logical shape.
func values(of index: Int, in file: VQ4File) throws -> [Float] {
  let description = file.tensors[index].description
  precondition(description.elementType == .f32, "only f32 is compared by value")
  var bytes = [UInt8](repeating: 0, count: description.byteCount(of: .codes))
  try bytes.withUnsafeMutableBytes { try file.decodeStream(index, .codes, into: $0) }
  let stored = bytes.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
  guard description.layout == .tiles else { return stored }
  let (rows, cols) = (description.rows, description.cols)
  return (0..<rows * cols).map { element in
    let (row, col) = (element / cols, element % cols)
    return stored[(row / 16 * cols + col) * 16 + row % 16]
  }
}
