import CXXHash
import CZstd
import VQ4Format

/// Changes one region of a `.vq4` file and lays the file out anew.
enum VQ4Mutation {
  static func change(_ input: [UInt8], _ change: inout FuzzChange) -> [UInt8] {
    guard var parts = VQ4Parts(input), !change.happens(onceIn: 16) else {
      var bytes = change.mutate(input, change.capacity)
      if !change.happens(onceIn: 4), var parts = VQ4Parts(bytes) {
        parts.mend()
        bytes = parts.file
      }
      return bytes
    }
    let region = change.index(below: parts.regions.count + 1)
    if region == parts.regions.count {
      parts.superblock = change.inPlace(parts.superblock)
    } else {
      // Rows keep their size: the other regions say where they lie.
      let keepsSize = !change.happens(onceIn: 4)
      let capacity = max(1, change.capacity - input.count + parts.regions[region].count - 64)
      parts.regions[region] =
        keepsSize
        ? change.inPlace(parts.regions[region]) : change.mutate(parts.regions[region], capacity)
    }
    if !change.happens(onceIn: 32) { parts.mend() }
    let file = parts.file
    return file.count <= change.capacity ? file : input
  }
}

/// The regions of a `.vq4` file (formats/vq4.md): what they hold is anything, where they lie follows from their sizes.
struct VQ4Parts {
  var superblock: [UInt8]
  /// Payload, attachments, and the five tables.
  var regions: [[UInt8]] = []
  private let pageShift: Int

  private static let superblockBytes = 512
  private static let alignment = 64
  private enum Region {
    static let payload = 0
    static let attachments = 1
    static let strings = 2
    static let groups = 3
    static let tensors = 4
    static let chunks = 5
    static let attachmentRows = 6
  }

  /// Where the superblock states the place of a region: two regions without a hash, then the table entries.
  private static func field(_ region: Int) -> Int {
    region < Region.strings ? 48 + 16 * region : 96 + 40 * (region - Region.strings)
  }

  /// - Returns: nil where the superblock does not say where the regions are.
  init?(_ file: [UInt8]) {
    guard file.count >= 2 * Self.superblockBytes, let shift = file.number(at: 40, size: 1),
      (9...16).contains(shift)
    else { return nil }
    superblock = Array(file[..<Self.superblockBytes])
    pageShift = shift
    for region in 0...Region.attachmentRows {
      let field = Self.field(region)
      guard let offset = file.number(at: field, size: 8),
        let size = file.number(at: field + 8, size: 8), offset <= file.count,
        size <= file.count - offset
      else { return nil }
      regions.append(Array(file[offset..<offset + size]))
    }
  }

  /// Where each region begins, and where the second superblock does.
  private var offsets: [Int] {
    var offsets: [Int] = []
    var end = Self.superblockBytes
    for region in regions.indices {
      let alignment = region == Region.payload ? 1 << pageShift : Self.alignment
      offsets.append((end + alignment - 1) / alignment * alignment)
      end = offsets[region] + regions[region].count
    }
    return offsets + [(end + Self.alignment - 1) / Self.alignment * Self.alignment]
  }

  /// The bytes of the file.
  var file: [UInt8] {
    var file = superblock
    for (region, offset) in zip(regions, offsets) {
      file += [UInt8](repeating: 0, count: offset - file.count) + region
    }
    return file + [UInt8](repeating: 0, count: offsets[regions.count] - file.count) + superblock
  }

  /// States all places, sizes and hashes as they are.
  mutating func mend() {
    let offsets = offsets
    mendChunks(payloadOffset: offsets[Region.payload])
    mendAttachments(offset: offsets[Region.attachments])
    superblock.set(offsets[regions.count] + Self.superblockBytes, at: 32, size: 8)
    for region in regions.indices {
      let field = Self.field(region)
      superblock.set(offsets[region], at: field, size: 8)
      superblock.set(regions[region].count, at: field + 8, size: 8)
      if region >= Region.strings { superblock.set(Self.hash(regions[region]), at: field + 16) }
    }
    superblock.set(Self.hash(contentBytes), at: 288)
    superblock.set(Self.hash(superblock[..<496]), at: 496)
  }

  private static func hash(_ bytes: some Sequence<UInt8>) -> VQ4Hash {
    Array(bytes).withUnsafeBytes { VQ4Hash(of: $0) }
  }

  /// The hashes of chunks, and those of streams whose chunks are all raw.
  private mutating func mendChunks(payloadOffset: Int) {
    let payload = regions[Region.payload]
    var raw: [[UInt8]?] = []
    for row in stride(from: 0, through: regions[Region.chunks].count - 32, by: 32) {
      guard let offset = regions[Region.chunks].number(at: row, size: 8),
        let size = regions[Region.chunks].number(at: row + 8, size: 4), offset >= payloadOffset,
        offset - payloadOffset <= payload.count, size <= payload.count - offset + payloadOffset
      else {
        raw.append(nil)
        continue
      }
      let bytes = Array(payload[(offset - payloadOffset)...].prefix(size))
      regions[Region.chunks].set(XXH3_64bits(bytes, bytes.count), at: row + 16, size: 8)
      raw.append(regions[Region.chunks][row + 24] == 0 ? bytes : nil)
    }
    for row in stride(from: 0, through: regions[Region.tensors].count - 160, by: 160) {
      for stream in stride(from: row + 64, to: row + 160, by: 32) {
        guard let first = regions[Region.tensors].number(at: stream, size: 4),
          let count = regions[Region.tensors].number(at: stream + 4, size: 4), count > 0,
          first <= raw.count, count <= raw.count - first
        else { continue }
        let chunks = raw[first..<first + count].compactMap { $0 }
        guard chunks.count == count else { continue }
        regions[Region.tensors].set(Self.hash(chunks.joined()), at: stream + 16)
      }
    }
  }

  private mutating func mendAttachments(offset: Int) {
    let blobs = regions[Region.attachments]
    for row in stride(from: 0, through: regions[Region.attachmentRows].count - 72, by: 72) {
      let rows = regions[Region.attachmentRows]
      guard let start = rows.number(at: row + 8, size: 8),
        let size = rows.number(at: row + 16, size: 8), start >= offset,
        start - offset <= blobs.count, size <= blobs.count - start + offset
      else { continue }
      let stored = Array(blobs[(start - offset)...].prefix(size))
      let rawSize = rows.number(at: row + 24, size: 8) ?? 0
      let decoded = rows[row + 32] == 0 ? stored : Self.decoded(stored, count: rawSize)
      regions[Region.attachmentRows].set(Self.hash(stored), at: row + 40)
      if let decoded { regions[Region.attachmentRows].set(Self.hash(decoded), at: row + 56) }
    }
  }

  private static func decoded(_ frame: [UInt8], count: Int) -> [UInt8]? {
    guard count <= 1 << 20 else { return nil }
    var bytes = [UInt8](repeating: 0, count: count)
    let written = ZSTD_decompress(&bytes, count, frame, frame.count)
    return ZSTD_isError(written) == 0 && written == count ? bytes : nil
  }

  /// What the content hash is taken of (formats/vq4.md, section 7).
  private var contentBytes: [UInt8] {
    var bytes: [UInt8] = []
    func append(name row: [UInt8]) {
      let strings = regions[Region.strings]
      let offset = min(row.number(at: 0, size: 4) ?? 0, strings.count)
      let name = strings[offset...].prefix(row.number(at: 4, size: 4) ?? 0)
      bytes += withUnsafeBytes(of: UInt32(name.count).littleEndian) { Array($0) } + name
    }
    for row in rows(Region.groups, 32) {
      append(name: row)
      bytes += row[12..<16]
    }
    for row in rows(Region.tensors, 160) {
      append(name: row)
      bytes += row[8..<52]
      for stream in stride(from: 64, to: 160, by: 32) { bytes += row[stream + 16..<stream + 32] }
    }
    for row in rows(Region.attachmentRows, 72) {
      append(name: row)
      bytes += row[24..<32] + row[56..<72]
    }
    return bytes
  }

  private func rows(_ region: Int, _ size: Int) -> [[UInt8]] {
    stride(from: 0, through: regions[region].count - size, by: size).map {
      Array(regions[region][$0..<$0 + size])
    }
  }
}

extension [UInt8] {
  fileprivate mutating func set(_ hash: VQ4Hash, at offset: Int) {
    set(hash.low, at: offset, size: 8)
    set(hash.high, at: offset + 8, size: 8)
  }
}
