#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A directory that is removed with its plain files when the value goes away.
final class TemporaryDirectory {
  let path: String

  init() {
    var template = Array("/tmp/varlite-checkpoint-XXXXXX".utf8CString)
    path = template.withUnsafeMutableBufferPointer { String(cString: mkdtemp($0.baseAddress!)!) }
  }

  deinit {
    if let directory = opendir(path) {
      while let entry = readdir(directory) {
        let name = withUnsafePointer(to: &entry.pointee.d_name) {
          $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
        unlink("\(path)/\(name)")
      }
      closedir(directory)
    }
    rmdir(path)
  }

  func write(_ name: String, _ bytes: [UInt8]) {
    let file = fopen("\(path)/\(name)", "wb")!
    fwrite(bytes, 1, bytes.count, file)
    fclose(file)
  }

  func write(_ name: String, _ text: String) { write(name, Array(text.utf8)) }
}

/// A safetensors file of a header's text and `dataByteCount` counted bytes.
func safetensors(_ header: String, dataByteCount: Int, headerLength: UInt64? = nil) -> [UInt8] {
  let length = headerLength ?? UInt64(header.utf8.count)
  var bytes = withUnsafeBytes(of: length.littleEndian) { Array($0) }
  bytes += Array(header.utf8)
  bytes += (0..<dataByteCount).map { UInt8(truncatingIfNeeded: $0) }
  return bytes
}
