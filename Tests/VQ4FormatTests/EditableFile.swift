import CXXHash
import CZstd

/// A `.vq4` file taken apart, so that a test can plant a fault and put it together again with
/// everything else right.
///
/// Written from `formats/vq4.md`; shares no code with the product.
struct EditableFile {
  enum Table: Int { case strings, groups, tensors, chunks, attachments }

  static let rowBytes = [1, 32, 160, 32, 72]

  var superblock: [UInt8]
  var tables: [[UInt8]] = []
  /// Stored bytes of the chunks.
  var chunks: [[UInt8]] = []
  /// Stored bytes of the attachments.
  var blobs: [[UInt8]] = []
  private var body: [UInt8] = []

  init(_ bytes: [UInt8]) {
    superblock = Array(bytes[..<512])
    for kind in 0..<5 {
      let entry = 88 + 40 * kind
      let offset = Self.number(superblock, entry + 8, 8)
      tables.append(Array(bytes[offset..<offset + Self.number(superblock, entry + 16, 8)]))
    }
    chunks = (0..<rowCount(.chunks)).map {
      let offset = self[.chunks, $0, 0, 8]
      return Array(bytes[offset..<offset + self[.chunks, $0, 8, 4]])
    }
    blobs = (0..<rowCount(.attachments)).map {
      let offset = self[.attachments, $0, 8, 8]
      return Array(bytes[offset..<offset + self[.attachments, $0, 16, 8]])
    }
  }

  func rowCount(_ table: Table) -> Int {
    tables[table.rawValue].count / Self.rowBytes[table.rawValue]
  }

  /// A number of `count` bytes in a row of a table.
  subscript(table: Table, row: Int, offset: Int, count: Int) -> Int {
    get {
      Self.number(
        tables[table.rawValue], row * Self.rowBytes[table.rawValue] + offset, count)
    }
    set {
      Self.set(
        &tables[table.rawValue], row * Self.rowBytes[table.rawValue] + offset, count, newValue)
    }
  }

  static func number(_ bytes: [UInt8], _ offset: Int, _ count: Int) -> Int {
    (0..<count).reversed().reduce(0) { $0 << 8 | Int(bytes[offset + $1]) }
  }

  static func set(_ bytes: inout [UInt8], _ offset: Int, _ count: Int, _ value: Int) {
    for index in 0..<count {
      bytes[offset + index] = UInt8(truncatingIfNeeded: value >> (8 * index))
    }
  }

  static func hash128(_ bytes: [UInt8]) -> [UInt8] {
    let hash = XXH3_128bits(bytes, bytes.count)
    return [hash.low64, hash.high64].flatMap { half in
      (0..<8).map { UInt8(truncatingIfNeeded: half >> (8 * $0)) }
    }
  }

  static func compress(_ bytes: [UInt8]) -> [UInt8] {
    var output = [UInt8](repeating: 0, count: ZSTD_compressBound(bytes.count))
    let count = ZSTD_compress(&output, output.count, bytes, bytes.count, 1)
    return Array(output[..<count])
  }

  /// The low and the high bytes of 2-byte elements, one after the other.
  static func planes(_ bytes: [UInt8]) -> [UInt8] {
    [0, 1].flatMap { first in stride(from: first, to: bytes.count, by: 2).map { bytes[$0] } }
  }

  /// Undoes `planes`.
  static func merged(_ planes: [UInt8]) -> [UInt8] {
    let half = planes.count / 2
    return zip(planes[..<half], planes[half...]).flatMap { [$0, $1] }
  }

  private static func align(_ offset: Int, _ alignment: Int) -> Int {
    (offset + alignment - 1) / alignment * alignment
  }
}

/// Putting the parts together.
extension EditableFile {
  /// The file, with faults planted in the finished tables and in the finished superblock.
  func assembled(
    tables editTables: (inout EditableFile) -> Void = { _ in },
    superblock editSuperblock: (inout [UInt8]) -> Void = { _ in }
  ) -> [UInt8] {
    var file = self
    file.place()
    editTables(&file)
    var bytes = file.body
    for (kind, table) in file.tables.enumerated() {
      let entry = 88 + 40 * kind
      bytes += [UInt8](repeating: 0, count: Self.align(bytes.count, 64) - bytes.count)
      Self.set(&file.superblock, entry + 8, 8, bytes.count)
      Self.set(&file.superblock, entry + 16, 8, table.count)
      file.superblock.replaceSubrange(entry + 24..<entry + 40, with: Self.hash128(table))
      bytes += table
    }
    bytes += [UInt8](repeating: 0, count: Self.align(bytes.count, 64) - bytes.count)
    Self.set(&file.superblock, 32, 8, bytes.count + 512)
    file.superblock.replaceSubrange(288..<304, with: file.contentHash())
    editSuperblock(&file.superblock)
    Self.seal(&file.superblock)
    bytes.replaceSubrange(..<512, with: file.superblock)
    return bytes + file.superblock
  }

  static func seal(_ superblock: inout [UInt8]) {
    superblock.replaceSubrange(496..<512, with: hash128(Array(superblock[..<496])))
  }

  /// Lays out chunks and attachments, and fills in their rows and those of the groups.
  private mutating func place() {
    let page = 1 << Int(superblock[40])
    body = [UInt8](repeating: 0, count: page)
    var payloadEnd = page
    for group in 0..<rowCount(.groups) {
      pad(to: page)
      let start = body.count
      let first = self[.groups, group, 8, 4]
      for tensor in first..<first + self[.groups, group, 12, 4] {
        for role in 0..<3 { placeStream(tensor, 64 + 32 * role) }
      }
      self[.groups, group, 16, 8] = start
      self[.groups, group, 24, 8] = body.count - start
      payloadEnd = body.count
    }
    Self.set(&superblock, 48, 8, page)
    Self.set(&superblock, 56, 8, payloadEnd - page)
    pad(to: 64)
    Self.set(&superblock, 64, 8, body.count)
    let blobsStart = body.count
    for (index, blob) in blobs.enumerated() {
      pad(to: 64)
      self[.attachments, index, 8, 8] = body.count
      self[.attachments, index, 16, 8] = blob.count
      setHash(.attachments, index, 40, Self.hash128(blob))
      let codec = self[.attachments, index, 32, 1]
      if let raw = Self.decoded(blob, codec, self[.attachments, index, 24, 8]) {
        setHash(.attachments, index, 56, Self.hash128(raw))
      }
      body += blob
    }
    Self.set(&superblock, 72, 8, body.count - blobsStart)
  }

  private mutating func placeStream(_ tensor: Int, _ entry: Int) {
    let count = self[.tensors, tensor, entry + 4, 4]
    guard count > 0 else { return }
    pad(to: 64)
    let first = self[.tensors, tensor, entry, 4]
    var stream: [UInt8]? = []
    for index in first..<first + count {
      let stored = chunks[index]
      self[.chunks, index, 0, 8] = body.count
      self[.chunks, index, 8, 4] = stored.count
      self[.chunks, index, 16, 8] = Int(
        bitPattern: UInt(XXH3_64bits(stored, stored.count)))
      body += stored
      // Decoding a great many chunks would cost the test its time.
      guard count < 10 else { continue }
      let raw = Self.decoded(
        stored, self[.chunks, index, 24, 1], self[.chunks, index, 12, 4])
      if let raw { stream?.append(contentsOf: raw) } else { stream = nil }
    }
    if count < 10, let stream { setHash(.tensors, tensor, entry + 16, Self.hash128(stream)) }
  }

  private mutating func pad(to alignment: Int) {
    let end = Self.align(body.count, alignment)
    body += [UInt8](repeating: 0, count: end - body.count)
  }

  mutating func setHash(_ table: Table, _ row: Int, _ offset: Int, _ hash: [UInt8]) {
    let start = row * Self.rowBytes[table.rawValue] + offset
    tables[table.rawValue].replaceSubrange(start..<start + 16, with: hash)
  }

  /// nil where the bytes do not decode to the size.
  private static func decoded(_ stored: [UInt8], _ codec: Int, _ raw: Int) -> [UInt8]? {
    guard codec == 1 || codec == 2 else { return stored }
    var output = [UInt8](repeating: 0, count: min(raw, 1 << 21))
    let count = ZSTD_decompress(&output, output.count, stored, stored.count)
    guard count == raw else { return nil }
    return codec == 1 ? output : merged(output)
  }

  /// Rule VQ4-33.
  func contentHash() -> [UInt8] {
    var bytes: [UInt8] = []
    func number(_ value: Int, _ count: Int) {
      for index in 0..<count { bytes.append(UInt8(truncatingIfNeeded: value >> (8 * index))) }
    }
    func name(_ table: Table, _ row: Int) {
      let start = self[table, row, 0, 4]
      let count = self[table, row, 4, 4]
      guard start + count <= tables[0].count else { return }
      number(count, 4)
      bytes += tables[0][start..<start + count]
    }
    func part(_ table: Table, _ row: Int, _ range: Range<Int>) {
      let start = row * Self.rowBytes[table.rawValue]
      bytes += tables[table.rawValue][start + range.lowerBound..<start + range.upperBound]
    }
    for row in 0..<rowCount(.groups) {
      name(.groups, row)
      part(.groups, row, 12..<16)
    }
    for row in 0..<rowCount(.tensors) {
      name(.tensors, row)
      part(.tensors, row, 8..<52)
      for role in 0..<3 { part(.tensors, row, 80 + 32 * role..<96 + 32 * role) }
    }
    for row in 0..<rowCount(.attachments) {
      name(.attachments, row)
      part(.attachments, row, 24..<32)
      part(.attachments, row, 56..<72)
    }
    return Self.hash128(bytes)
  }
}
