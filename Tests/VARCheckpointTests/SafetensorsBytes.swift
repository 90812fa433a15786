/// A safetensors file of a header's text and `dataByteCount` counted bytes.
func safetensors(_ header: String, dataByteCount: Int, headerLength: UInt64? = nil) -> [UInt8] {
  let length = headerLength ?? UInt64(header.utf8.count)
  var bytes = withUnsafeBytes(of: length.littleEndian) { Array($0) }
  bytes += Array(header.utf8)
  bytes += (0..<dataByteCount).map { UInt8(truncatingIfNeeded: $0) }
  return bytes
}
