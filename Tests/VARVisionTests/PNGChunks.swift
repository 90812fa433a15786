/// A plain walk over the chunks of a PNG file.
enum PNGChunks {
  /// Whole chunks: length, type, data, checksum.
  static func ranges(_ png: [UInt8]) -> [Range<Int>] {
    var result: [Range<Int>] = []
    var position = 8
    while position + 12 <= png.count {
      let length = png[position..<position + 4].reduce(0) { $0 << 8 | Int($1) }
      guard length <= png.count - position - 12 else { break }
      result.append(position..<position + 12 + length)
      position += 12 + length
    }
    return result
  }

  static func named(_ png: [UInt8]) -> [(type: String, data: [UInt8])] {
    ranges(png).map {
      let type = String(decoding: png[$0.lowerBound + 4..<$0.lowerBound + 8], as: UTF8.self)
      return (type, Array(png[$0.lowerBound + 8..<$0.upperBound - 4]))
    }
  }

  static func checksum(_ bytes: ArraySlice<UInt8>) -> UInt32 {
    var crc: UInt32 = ~0
    for byte in bytes {
      crc ^= UInt32(byte)
      for _ in 0..<8 { crc = crc >> 1 ^ (crc & 1 == 1 ? 0xEDB8_8320 : 0) }
    }
    return ~crc
  }
}
