/// Rules on the values inside a stream: finite numbers, allowed codes and scales, zero padding of
/// the last tile.
struct ElementCheck {
  private let description: VQ4TensorDescription
  private let role: VQ4StreamRole

  init(_ description: VQ4TensorDescription, _ role: VQ4StreamRole) {
    self.description = description
    self.role = role
  }

  /// Checks a piece of a decoded stream that starts at `offset`, on a unit's edge, and holds whole
  /// units.
  func check(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(VQ4Error) {
    switch (role, description.elementType) {
    case (.codes, .f32): try checkWords(bytes, UInt32.self, mask: 0x7F80_0000, .nonFiniteValue)
    case (.codes, .f16): try checkWords(bytes, UInt16.self, mask: 0x7C00, .nonFiniteValue)
    case (.codes, .bf16): try checkWords(bytes, UInt16.self, mask: 0x7F80, .nonFiniteValue)
    case (.codes, .int8): try checkSigned(bytes, .forbiddenValue)
    case (.codes, .int4): break
    case (.scales, .int4): try checkSigned(bytes, .invalidScale)
    default: try checkScales(bytes)
    }
    try checkTilePadding(bytes, at: offset)
  }

  private func checkWords<Word: FixedWidthInteger>(
    _ bytes: UnsafeRawBufferPointer, _ type: Word.Type, mask: Word, _ code: VQ4Error.Code
  ) throws(VQ4Error) {
    let size = MemoryLayout<Word>.size
    var isFinite = true
    for index in 0..<bytes.count / size {
      let word = Word(
        littleEndian: bytes.loadUnaligned(fromByteOffset: index * size, as: Word.self))
      isFinite = isFinite && word & mask != mask
    }
    guard isFinite else {
      throw VQ4Error(code, "a value is infinite or not a number", remedy: .convertAgain)
    }
  }

  private func checkSigned(
    _ bytes: UnsafeRawBufferPointer, _ code: VQ4Error.Code
  ) throws(VQ4Error) {
    var least: Int8 = 0
    for byte in bytes { least = min(least, Int8(bitPattern: byte)) }
    guard least > -128 else {
      throw VQ4Error(code, "a value is -128", expected: "-127 to 127", remedy: .convertAgain)
    }
  }

  /// fp16 scales have no sign and are finite: as integers they are below the infinity.
  private func checkScales(_ bytes: UnsafeRawBufferPointer) throws(VQ4Error) {
    var largest: UInt16 = 0
    for index in 0..<bytes.count / 2 {
      largest = max(
        largest,
        UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: index * 2, as: UInt16.self)))
    }
    guard largest < 0x7C00 else {
      throw VQ4Error(
        .invalidScale, "a scale is negative, infinite or not a number", remedy: .convertAgain)
    }
  }

  /// Every layout of a tile has the 16 rows side by side, `lane` bytes each.
  private func checkTilePadding(
    _ bytes: UnsafeRawBufferPointer, at offset: Int
  ) throws(VQ4Error) {
    let tileRows = VQ4TensorDescription.tileRows
    let validRows = description.rows % tileRows
    guard description.layout == .tiles, validRows != 0,
      offset + bytes.count == description.byteCount(of: role)
    else { return }
    let lane =
      switch (role, description.elementType) {
      case (.codes, .f16), (.codes, .bf16), (.scales, .int8), (.superscales, _): 2
      case (.scales, _): 1
      case (.codes, _): 4
      }
    var position = bytes.count - description.unitByteCount(of: role)
    while position < bytes.count {
      let padding = bytes.part(position + validRows * lane, (tileRows - validRows) * lane)
      guard padding.firstNonZero == nil else {
        throw VQ4Error(
          .tilePaddingNotZero, "a row beyond the last one is not zero", remedy: .convertAgain)
      }
      position += tileRows * lane
    }
  }
}
