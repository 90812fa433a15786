import CXXHash

/// The hash of a safetensors file by ATT-16 of `formats/attachments.md`, from its bytes alone.
func piecewiseHash(_ file: [UInt8]) throws -> String {
  let headerEnd = 8 + file[..<8].enumerated().reduce(0) { $0 + Int($1.element) << (8 * $1.offset) }
  var bounds = Set([0, headerEnd, file.count])
  let header = String(decoding: file[8..<headerEnd], as: UTF8.self)
  for part in header.split(separator: "\"data_offsets\":").dropFirst() {
    let numbers = part.drop { $0 != "[" }.dropFirst().prefix { $0 != "]" }.split(separator: ",")
    for number in numbers {
      bounds.insert(headerEnd + Int(number.filter(\.isNumber))!)
    }
  }
  let sorted = bounds.sorted()
  var hashes: [UInt8] = []
  for (start, end) in zip(sorted, sorted.dropFirst()) {
    for piece in stride(from: start, to: end, by: 16 << 20) {
      let hash = Array(file[piece..<min(piece + (16 << 20), end)]).withUnsafeBytes {
        XXH3_128bits($0.baseAddress, $0.count)
      }
      for half in [hash.low64, hash.high64] {
        hashes += withUnsafeBytes(of: half.littleEndian) { Array($0) }
      }
    }
  }
  let hash = hashes.withUnsafeBytes { XXH3_128bits($0.baseAddress, $0.count) }
  return [hash.high64, hash.low64].map { half in
    let digits = String(half, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }.joined()
}
