import CXXHash
import CZstd
import VARTestSupport

/// A second reader of `.vq4`, written from `formats/vq4.md` alone: slow, plain, and sharing no
/// code with the product.
struct PlainDecoder {
  let bytes: [UInt8]
  private(set) var groups: [Group] = []
  private(set) var tensors: [Tensor] = []
  private(set) var attachments: [String: [UInt8]] = [:]

  struct Group: Equatable {
    var name: String
    var firstTensor: Int
    var tensorCount: Int
  }

  struct Tensor {
    var name: String
    var type: Int
    var layout: Int
    var shape: [Int]
    var groupSize: Int
    var codebook: [Int]
    /// Codes, scales, superscales.
    var streams: [[UInt8]]
  }

  /// Section 2.
  init(_ bytes: [UInt8]) throws {
    self.bytes = bytes
    try expect(Array(bytes[0..<8]) == [0x89, 0x56, 0x51, 0x34, 0x0D, 0x0A, 0x1A, 0x0A], "magic")
    try expect(number(8, 2) == 1 && number(12, 4) == 0x0102_0304 && number(16, 8) == 0, "version")
    try expect(number(32, 8) == bytes.count, "file size")
    try expect(bytes.prefix(512).elementsEqual(bytes.suffix(512)), "copy")
    try expect(hash128(0..<496) == Array(bytes[496..<512]), "superblock hash")
    var tables: [Range<Int>] = []
    for kind in 0..<5 {
      let entry = 88 + 40 * kind
      try expect(number(entry, 4) == kind + 1, "kind of a table")
      let table = number(entry + 8, 8)..<number(entry + 8, 8) + number(entry + 16, 8)
      try expect(hash128(table) == Array(bytes[entry + 24..<entry + 40]), "hash of a table")
      tables.append(table)
    }
    for row in stride(from: tables[1].lowerBound, to: tables[1].upperBound, by: 32) {
      groups.append(
        Group(
          name: name(row, tables[0]), firstTensor: number(row + 8, 4),
          tensorCount: number(row + 12, 4)))
    }
    for row in stride(from: tables[2].lowerBound, to: tables[2].upperBound, by: 160) {
      tensors.append(try tensor(row, strings: tables[0], chunks: tables[3].lowerBound))
    }
    for row in stride(from: tables[4].lowerBound, to: tables[4].upperBound, by: 72) {
      let raw = try decoded(
        offset: number(row + 8, 8), stored: number(row + 16, 8), raw: number(row + 24, 8),
        codec: number(row + 32, 1))
      attachments[name(row, tables[0])] = raw
    }
  }

  /// Section 3.
  private func tensor(_ row: Int, strings: Range<Int>, chunks: Int) throws -> Tensor {
    let rank = number(row + 10, 1)
    var streams: [[UInt8]] = []
    for role in 0..<3 {
      let entry = row + 64 + 32 * role
      var stream: [UInt8] = []
      for index in 0..<number(entry + 4, 4) {
        let chunk = chunks + 32 * (number(entry, 4) + index)
        let offset = number(chunk, 8)
        let stored = number(chunk + 8, 4)
        let hash = bytes[offset..<offset + stored].withUnsafeBytes {
          XXH3_64bits($0.baseAddress, $0.count)
        }
        try expect(UInt64(bitPattern: Int64(number(chunk + 16, 8))) == hash, "hash of a chunk")
        stream += try decoded(
          offset: offset, stored: stored, raw: number(chunk + 12, 4),
          codec: number(chunk + 24, 1))
      }
      try expect(stream.count == number(entry + 8, 8), "size of a stream")
      streams.append(stream)
    }
    return Tensor(
      name: name(row, strings), type: number(row + 8, 1), layout: number(row + 9, 1),
      shape: (0..<rank).map { number(row + 16 + 4 * $0, 4) }, groupSize: number(row + 12, 2),
      codebook: (0..<16).map { Int(Int8(bitPattern: bytes[row + 36 + $0])) }, streams: streams)
  }

  /// Section 4.
  private func decoded(offset: Int, stored: Int, raw: Int, codec: Int) throws -> [UInt8] {
    let input = Array(bytes[offset..<offset + stored])
    if codec == 0 { return input }
    var output = [UInt8](repeating: 0, count: raw)
    try expect(ZSTD_decompress(&output, raw, input, stored) == raw, "zstd frame")
    if codec == 1 { return output }
    try expect(codec == 2 && raw % 2 == 0, "codec")
    return (0..<raw).map { output[$0 / 2 + $0 % 2 * (raw / 2)] }
  }

  private func name(_ row: Int, _ strings: Range<Int>) -> String {
    let start = strings.lowerBound + number(row, 4)
    return String(decoding: bytes[start..<start + number(row + 4, 4)], as: UTF8.self)
  }

  private func number(_ offset: Int, _ count: Int) -> Int {
    var value: UInt64 = 0
    for index in (0..<count).reversed() { value = value << 8 | UInt64(bytes[offset + index]) }
    return Int(Int64(bitPattern: value))
  }

  private func hash128(_ range: Range<Int>) -> [UInt8] {
    let hash = bytes[range].withUnsafeBytes { XXH3_128bits($0.baseAddress, $0.count) }
    return [hash.low64, hash.high64].flatMap { half in (0..<8).map { UInt8(half >> (8 * $0) & 255) }
    }
  }

  private func expect(_ condition: Bool, _ what: String) throws {
    if !condition { throw FixtureError("plain decoder: \(what)") }
  }
}

extension PlainDecoder.Tensor {
  var rows: Int { layout == 0 ? 1 : shape[0] }
  var cols: Int { shape.reduce(1, *) / rows }

  /// Section 5: the value of each element, row-major.
  var values: [Float] {
    var values: [Float] = []
    for row in 0..<rows { for col in 0..<cols { values.append(value(row, col)) } }
    return values
  }

  private func value(_ r: Int, _ k: Int) -> Float {
    let t = r / 16
    let l = r % 16
    let isTiled = layout == 2
    let float = isTiled ? (t * cols + k) * 16 + l : r * cols + k
    func place(_ count: Int, _ index: Int) -> Int {
      isTiled ? (t * count + index) * 16 + l : r * count + index
    }
    switch type {
    case 1:
      return Float(
        bitPattern: UInt32(half(streams[0], 2 * float)) | UInt32(half(streams[0], 2 * float + 1))
          << 16)
    case 2: return Self.fp16(half(streams[0], float))
    case 3: return Float(bitPattern: UInt32(half(streams[0], float)) << 16)
    case 4:
      let position = isTiled ? t * 16 * cols + (k / 4) * 64 + l * 4 + k % 4 : r * cols + k
      let code = Int8(bitPattern: streams[0][position])
      let scale = Self.fp16(half(streams[1], place(cols / groupSize, k / groupSize)))
      return Float(Double(code) * Double(scale) * 0x1p-12)
    default:
      let position =
        isTiled ? t * 8 * cols + (k / 8) * 64 + l * 4 + k % 4 : r * cols / 2 + (k / 8) * 4 + k % 4
      let byte = streams[0][position]
      let nibble = Int(k % 8 < 4 ? byte & 15 : byte >> 4)
      let scale = Int8(bitPattern: streams[1][place(cols / groupSize, k / groupSize)])
      let superscale = Self.fp16(half(streams[2], place((cols + 255) / 256, k / 256)))
      return Float(Double(codebook[nibble]) * Double(scale) * Double(superscale) * 0x1p-16)
    }
  }

  private func half(_ stream: [UInt8], _ index: Int) -> UInt16 {
    UInt16(stream[2 * index]) | UInt16(stream[2 * index + 1]) << 8
  }

  private static func fp16(_ bits: UInt16) -> Float {
    let exponent = Int(bits >> 10 & 31)
    let fraction = Float(bits & 1023)
    var magnitude = exponent == 0 ? fraction : fraction + 1024
    for _ in 0..<24 { magnitude /= 2 }
    for _ in 1..<max(exponent, 1) { magnitude *= 2 }
    return bits >> 15 == 1 ? -magnitude : magnitude
  }
}
