/// The chunks of a PNG file up to its end mark, or to where it is malformed; their checksums are not looked at.
struct PNGChunks: Sequence, IteratorProtocol {
  struct Chunk {
    let name: String
    let content: Slice<UnsafeRawBufferPointer>
  }

  static let signature: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]

  private let bytes: UnsafeRawBufferPointer
  private var position = signature.count

  init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  mutating func next() -> Chunk? {
    guard position + 12 <= bytes.count else { return nil }
    let length = Int(
      UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt32.self)))
    guard length <= bytes.count - position - 12 else { return nil }
    let name = String(decoding: bytes[position + 4..<position + 8], as: UTF8.self)
    guard name != "IEND" else { return nil }
    defer { position += 12 + length }
    return Chunk(name: name, content: bytes[position + 8..<position + 8 + length])
  }
}
