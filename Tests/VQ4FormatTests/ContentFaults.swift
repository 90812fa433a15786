import VQ4Format

extension Fault {
  /// Faults in what opening does not read; found by verifying.
  static let contentFaults: [Fault] = frameFaults + valueFaults + hashFaults

  /// Replaces a chunk by a frame.
  private static func frame(
    _ description: String, _ code: VQ4Error.Code, codec: Int = 1,
    _ edit: @escaping @Sendable (_ raw: [UInt8], _ frame: inout [UInt8]) -> Void
  ) -> Fault {
    Fault(description, code) { file in
      let raw = [UInt8](repeating: 0, count: file[.chunks, 6, 12, 4])
      var frame = EditableFile.compress(raw)
      edit(raw, &frame)
      file.chunks[6] = frame
      file[.chunks, 6, 24, 1] = codec
    }
  }

  // A frame of 512 zeros: magic, descriptor 0x60 (one segment, two bytes of size), size - 256,
  // blocks.
  private static let frameFaults: [Fault] = [
    frame("declared size too large", .frameContentSize) { _, frame in frame[5] += 1 },
    frame("declared size too small", .frameContentSize) { _, frame in
      frame[5] = 0
      frame[6] = 0
    },
    frame("declared size of 2^56 bytes", .frameContentSize) { _, frame in
      frame[4] = 0xE0
      frame.replaceSubrange(5..<7, with: [0, 0, 0, 0, 0, 0, 0, 1])
    },
    frame("decodes to more than declared", .frameCorrupt) { raw, frame in
      let longer = EditableFile.compress(raw + raw)
      frame.replaceSubrange(7..., with: longer[7...])
    },
    frame("decodes to less than declared", .frameCorrupt) { raw, frame in
      let shorter = EditableFile.compress(Array(raw.dropLast(100)))
      frame.replaceSubrange(7..., with: shorter[7...])
    },
    frame("window of 1 GiB", .frameWindow) { _, frame in
      frame[4] = 0x40
      frame.insert(0xA0, at: 5)
    },
    frame("size not declared", .frameContentSizeMissing) { _, frame in
      frame[4] = 0
      frame.replaceSubrange(5..<7, with: [0x50])
    },
    frame("dictionary", .frameDictionary) { _, frame in
      frame[4] |= 1
      frame.insert(9, at: 5)
    },
    frame("reserved bit of the descriptor", .frameHeader) { _, frame in frame[4] |= 8 },
    frame("skippable frame", .frameHeader) { _, frame in
      frame = [0x50, 0x2A, 0x4D, 0x18, 2, 0, 0, 0, 1, 1]
    },
    frame("no frame", .frameHeader) { _, frame in frame = [1, 2, 3] },
    frame("cut frame", .frameCorrupt) { _, frame in frame.removeLast() },
    frame("bytes behind the frame", .frameCorrupt) { _, frame in frame.append(0) },
    frame("two frames", .frameCorrupt) { _, frame in frame += frame },
    frame("empty frame behind the frame", .frameCorrupt) { _, frame in
      frame += EditableFile.compress([])
    },
    frame("skippable frame behind the frame", .frameCorrupt) { _, frame in
      frame += [0x50, 0x2A, 0x4D, 0x18, 2, 0, 0, 0, 1, 1]
    },
    frame("damaged block", .frameCorrupt) { _, frame in frame[7] |= 6 },
    frame("planes: declared size too large", .frameContentSize, codec: 2) { _, frame in
      frame[5] += 1
    },
    frame("planes: declared size too small", .frameContentSize, codec: 2) { _, frame in
      frame[5] = 0
      frame[6] = 0
    },
    frame("planes: decodes to more than declared", .frameCorrupt, codec: 2) { raw, frame in
      let longer = EditableFile.compress(raw + raw)
      frame.replaceSubrange(7..., with: longer[7...])
    },
    frame("planes: decodes to less than declared", .frameCorrupt, codec: 2) { raw, frame in
      let shorter = EditableFile.compress(Array(raw.dropLast(100)))
      frame.replaceSubrange(7..., with: shorter[7...])
    },
    frame("planes: one plane", .frameContentSize, codec: 2) { raw, frame in
      frame = EditableFile.compress(Array(raw.dropLast(raw.count / 2)))
    },
    frame("planes: window of 1 GiB", .frameWindow, codec: 2) { _, frame in
      frame[4] = 0x40
      frame.insert(0xA0, at: 5)
    },
    frame("planes: size not declared", .frameContentSizeMissing, codec: 2) { _, frame in
      frame[4] = 0
      frame.replaceSubrange(5..<7, with: [0x50])
    },
    frame("planes: dictionary", .frameDictionary, codec: 2) { _, frame in
      frame[4] |= 1
      frame.insert(9, at: 5)
    },
    frame("planes: no frame", .frameHeader, codec: 2) { _, frame in frame = [1, 2, 3] },
    frame("planes: cut frame", .frameCorrupt, codec: 2) { _, frame in frame.removeLast() },
    frame("planes: two frames", .frameCorrupt, codec: 2) { _, frame in frame += frame },
    Fault("attachment frame of another size", .frameContentSize) { file in
      file[.attachments, 1, 24, 8] += 1
    },
    Fault("bomb in an attachment", .frameContentSize) { $0[.attachments, 1, 24, 8] = 1 << 26 },
  ]

  /// Changes a raw chunk.
  private static func value(
    _ description: String, _ code: VQ4Error.Code, chunk: Int,
    _ edit: @escaping @Sendable (inout [UInt8]) -> Void
  ) -> Fault {
    Fault(description, code) { file in
      var raw = [UInt8](repeating: 0, count: file[.chunks, chunk, 12, 4])
      edit(&raw)
      file.chunks[chunk] = raw
      file[.chunks, chunk, 24, 1] = 0
    }
  }

  private static let valueFaults: [Fault] = [
    value("int8 code -128", .forbiddenValue, chunk: 0) { $0[100] = 0x80 },
    value("int8 scale NaN", .invalidScale, chunk: 1) { $0[3] = 0x7E },
    value("int8 scale infinite", .invalidScale, chunk: 1) { $0[3] = 0x7C },
    value("int8 scale negative", .invalidScale, chunk: 1) { $0[3] = 0xBC },
    value("int8 scale minus zero", .invalidScale, chunk: 1) { $0[3] = 0x80 },
    value("int4 scale -128", .invalidScale, chunk: 4) { $0[5] = 0x80 },
    value("int4 superscale NaN", .invalidScale, chunk: 5) { $0[1] = 0x7F },
    value("f32 NaN", .nonFiniteValue, chunk: 2) { $0.replaceSubrange(6..<8, with: [0xC0, 0x7F]) },
    value("f32 minus infinity", .nonFiniteValue, chunk: 2) {
      $0.replaceSubrange(18..<20, with: [0x80, 0xFF])
    },
    value("f16 infinite", .nonFiniteValue, chunk: 8) { $0[1] = 0x7C },
    value("bf16 NaN", .nonFiniteValue, chunk: 9) {
      $0.replaceSubrange(10..<12, with: [0xC0, 0x7F])
    },
    // Tile of 16 rows with 17 rows in all: lane 1 of the second tile is padding.
    value("int4 code beyond the last row", .tilePaddingNotZero, chunk: 3) { $0[256 + 4] = 1 },
    value("int4 scale beyond the last row", .tilePaddingNotZero, chunk: 4) { $0[32 + 15] = 1 },
    value("superscale beyond the last row", .tilePaddingNotZero, chunk: 5) { $0[32 + 2] = 1 },
    value("int8 code beyond the last row", .tilePaddingNotZero, chunk: 6) { $0[511] = 1 },
    value("int8 scale beyond the last row", .tilePaddingNotZero, chunk: 7) { $0[4] = 1 },
    // The same in planes: what is merged is checked.
    Fault("f16 infinite, in planes", .nonFiniteValue) { file in
      var raw = [UInt8](repeating: 0, count: file[.chunks, 8, 12, 4])
      raw[1] = 0x7C
      file.chunks[8] = EditableFile.compress(EditableFile.planes(raw))
      file[.chunks, 8, 24, 1] = 2
    },
    Fault("int8 code beyond the last row, in planes", .tilePaddingNotZero) { file in
      var raw = [UInt8](repeating: 0, count: file[.chunks, 6, 12, 4])
      raw[511] = 1
      file.chunks[6] = EditableFile.compress(EditableFile.planes(raw))
      file[.chunks, 6, 24, 1] = 2
    },
    value("f16 beyond the last row", .tilePaddingNotZero, chunk: 8) { $0[32 + 6] = 1 },
  ]

  private static func flip(
    _ description: String, _ code: VQ4Error.Code,
    _ position: @escaping @Sendable (EditableFile) -> Int
  ) -> Fault {
    Fault(description, code, bytes: { bytes in bytes[position(EditableFile(bytes))] ^= 4 })
  }

  private static let hashFaults: [Fault] = [
    flip("bit of a code", .chunkHash) { $0[.chunks, 0, 0, 8] },
    flip("bit of a scale", .chunkHash) { $0[.chunks, 7, 0, 8] },
    flip("last byte of the last chunk", .chunkHash) {
      $0[.chunks, 9, 0, 8] + $0[.chunks, 9, 8, 4] - 1
    },
    flip("bit of a frame", .chunkHash) { $0[.chunks, 6, 0, 8] + 9 },
    flip("bit of a frame of planes", .chunkHash) { $0[.chunks, 8, 0, 8] + 9 },
    // A number that is allowed and no padding in either order.
    Fault("planes that are said to be none", .streamHash) { file in
      var raw = [UInt8](repeating: 0, count: file[.chunks, 8, 12, 4])
      raw[64] = 1
      file.chunks[8] = EditableFile.compress(EditableFile.planes(raw))
      file[.chunks, 8, 24, 1] = 2
    } tables: {
      $0[.chunks, 8, 24, 1] = 1
    },
    flip("bit of an attachment", .attachmentHash) { $0[.attachments, 2, 8, 8] + 99 },
    flip("padding behind a stream", .paddingNotZero) { $0[.chunks, 2, 0, 8] + 20 },
    flip("padding before a group", .paddingNotZero) { $0[.groups, 1, 16, 8] - 1 },
    flip("padding before the copy", .paddingNotZero) {
      EditableFile.number($0.superblock, 32, 8) - 513
    },
    Fault("hash of a chunk", .chunkHash, tables: { $0[.chunks, 5, 16, 1] ^= 1 }),
    Fault("hash of a stream", .streamHash, tables: { $0[.tensors, 2, 80, 1] ^= 1 }),
    Fault(
      "stored hash of an attachment", .attachmentHash, tables: { $0[.attachments, 0, 40, 1] ^= 1 }),
    Fault("decoded hash of a frame", .attachmentHash, tables: { $0[.attachments, 1, 56, 1] ^= 1 }),
    Fault(
      "decoded hash of a raw attachment", .attachmentHash,
      tables: { $0[.attachments, 2, 56, 1] ^= 1 }),
  ]
}
