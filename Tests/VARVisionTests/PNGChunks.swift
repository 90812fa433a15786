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

  /// A file of 8 bits a sample from rows that start with their filter, without compression.
  static func file(width: Int, height: Int, colour: UInt8, _ rows: [UInt8]) -> [UInt8] {
    func big(_ value: Int) -> [UInt8] {
      (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) }
    }
    func chunk(_ name: String, _ data: [UInt8]) -> [UInt8] {
      let content = Array(name.utf8) + data
      return big(data.count) + content + big(Int(checksum(content[...])))
    }
    var stream: [UInt8] = [0x78, 0x01]
    var position = 0
    while position < rows.count {
      let end = min(rows.count, position + 65535)
      let count = end - position
      let sizes = [count & 255, count >> 8, ~count & 255, ~count >> 8 & 255]
      stream += [end == rows.count ? 1 : 0] + sizes.map { UInt8($0) } + rows[position..<end]
      position = end
    }
    var (low, high) = (1, 0)
    for byte in rows {
      low = (low + Int(byte)) % 65521
      high = (high + low) % 65521
    }
    stream += big(high << 16 | low)
    let header = big(width) + big(height) + [8, colour, 0, 0, 0]
    return [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
      + chunk("IHDR", header) + chunk("IDAT", stream) + chunk("IEND", [])
  }
}
