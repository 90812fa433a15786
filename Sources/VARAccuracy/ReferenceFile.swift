import VARJSON
import VARLite
import VARModels
import VARSystem
import VARVision
import VQ4Format

/// What a reference said, on a disk:
///
///      8 bytes   "VARREFO1"
///     16 bytes   hash of what it was said of and by whom: reference, type of its cache, cases
///     40 bytes   sizes of the five parts
///     16 bytes   hash of the parts
///     16 bytes   hash of the 80 bytes before
///     parts      bits, a byte each; what was said; layers; outcomes as JSON; pictures: width, height, pixels
///
/// Hashes are XXH3-128, low half first, sizes 8 bytes, little-endian. Where
/// things stand in the first three parts is known beforehand, from the cases and the reference's shapes.
package struct ReferenceFile {
  static let mark = FileMark("VARREFO1")
  private static let partCount = 5
  private static let headerByteCount = 96
  private static let pieceByteCount = 1 << 20
  private static let largestOutcomes = 64 << 20

  let path: String
  /// Hash of what it is said of and by whom.
  let key: VQ4Hash

  package init(path: String, key: VQ4Hash) {
    self.path = path
    self.key = key
  }

  private func refused(_ what: String) -> VARLiteError {
    VARLiteError(
      .file, "\(path): what the reference said \(what); name another file, or remove it")
  }

  // MARK: Reading

  /// What the file keeps; nil where there is none.
  ///
  /// - Parameters:
  ///   - bitCounts: of each scale of each case's picture; nil for a case without one.
  ///   - keptTokenCount: by the cases.
  /// - Throws: an error of the category `file` for a file of something else, or one that is not whole.
  package func read(
    bitCounts: [[Int]?], _ places: LayerPlaces, keptTokenCount: Int
  ) throws(VARLiteError) -> ReferenceOutputs? {
    guard let kind = FileStatus(path)?.kind else { return nil }
    guard kind == .regular else { throw refused("is no file") }
    do throws(SystemError) {
      let file = try OpenFile(path, .reading)
      let ranges = try parts(of: file)
      let bits = try bits(file, ranges[0], bitCounts)
      guard ranges[2].count == places.byteCount else { throw SystemError(.examine, 0) }
      var outputs = ReferenceOutputs(
        bits: bits, said: OutputSpool(file, ranges[1]),
        layers: LayerRecord(places, file, start: ranges[2].lowerBound),
        keptTokenCount: keptTokenCount)
      outputs.outcomes = try outcomes(file, ranges[3])
      outputs.pictures = try pictures(file, ranges[4])
      return outputs
    } catch {
      guard error.attempt == .examine else { throw refused("cannot be read: \(error.message)") }
      throw refused("is damaged, or of another reference, of other cases, or of another version")
    }
  }

  /// Where the parts are in a file that is whole.
  private func parts(of file: OpenFile) throws(SystemError) -> [Range<Int>] {
    let header = try file.bytes(at: 0, count: Self.headerByteCount)
    guard header.count == Self.headerByteCount else { throw SystemError(.examine, 0) }
    var ranges: [Range<Int>] = []
    var end = Self.headerByteCount
    let byteCount = try file.status().byteCount
    for part in 0..<Self.partCount {
      let size = header.withUnsafeBytes {
        UInt64(littleEndian: $0.loadUnaligned(fromByteOffset: 24 + 8 * part, as: UInt64.self))
      }
      guard size <= UInt64(max(0, byteCount - end)) else { throw SystemError(.examine, 0) }
      ranges.append(end..<end + Int(size))
      end += Int(size)
    }
    let hash = try Self.hasher()
    for start in stride(from: Self.headerByteCount, to: end, by: Self.pieceByteCount) {
      hash.update(try file.bytes(at: start, count: min(Self.pieceByteCount, end - start)))
    }
    let expected = self.header(sizes: ranges.map(\.count), content: hash.value)
    guard header == expected, byteCount == end else { throw SystemError(.examine, 0) }
    return ranges
  }

  private func bits(
    _ file: OpenFile, _ range: Range<Int>, _ counts: [[Int]?]
  ) throws(SystemError) -> [[[UInt8]]?] {
    let bytes = try file.bytes(at: range.lowerBound, count: range.count)
    let expectedCount = counts.reduce(0) { $0 + ($1?.reduce(0, +) ?? 0) }
    guard bytes.count == expectedCount, bytes.allSatisfy({ $0 <= 1 }) else {
      throw SystemError(.examine, 0)
    }
    var next = 0
    return counts.map { scales in
      scales.map { scales in
        scales.map { count in
          defer { next += count }
          return Array(bytes[next..<next + count])
        }
      }
    }
  }

  private func outcomes(
    _ file: OpenFile, _ range: Range<Int>
  ) throws(SystemError) -> ReferenceOutputs.Outcomes? {
    guard !range.isEmpty else { return nil }
    guard range.count <= Self.largestOutcomes,
      let json = try? JSONValue(parsing: try file.bytes(at: range.lowerBound, count: range.count)),
      let hasDrawings = json["drawings"]?.boolValue, let report = json["report"]
    else { throw SystemError(.examine, 0) }
    return ReferenceOutputs.Outcomes(hasDrawings: hasDrawings, report: report)
  }

  private func pictures(
    _ file: OpenFile, _ range: Range<Int>
  ) throws(SystemError) -> [RGBImage] {
    var pictures: [RGBImage] = []
    var next = range.lowerBound
    while next < range.upperBound {
      let extents = try file.bytes(at: next, count: min(16, range.upperBound - next))
      guard extents.count == 16 else { throw SystemError(.examine, 0) }
      let sides = (0..<2).map { side in
        extents.withUnsafeBytes {
          UInt64(littleEndian: $0.loadUnaligned(fromByteOffset: 8 * side, as: UInt64.self))
        }
      }
      next += 16
      guard sides.allSatisfy({ (1...1 << 20).contains($0) }) else {
        throw SystemError(.examine, 0)
      }
      let byteCount = Int(sides[0] * sides[1] * 3)
      guard byteCount <= range.upperBound - next else { throw SystemError(.examine, 0) }
      let pixels = try file.bytes(at: next, count: byteCount)
      guard pixels.count == byteCount else { throw SystemError(.examine, 0) }
      pictures.append(RGBImage(width: Int(sides[0]), height: Int(sides[1]), pixels: pixels))
      next += byteCount
    }
    return pictures
  }

  // MARK: Writing

  /// Replaces what stands at `path`.
  ///
  /// - Throws: an error of the category `file`. No other file is left behind then.
  package func write(_ outputs: ReferenceOutputs) throws(VARLiteError) {
    guard Self.mark.canReplace(path) else {
      throw VARLiteError(
        .file, "\(path): is there and is not what a reference said; name another file")
    }
    let parts = Self.parts(outputs)
    do throws(SystemError) {
      let hash = try Self.hasher()
      for part in parts {
        try part.write { (piece: [UInt8]) throws(SystemError) in hash.update(piece) }
      }
      let header = header(sizes: parts.map(\.byteCount), content: hash.value)
      let byteCount = parts.reduce(header.count) { $0 + $1.byteCount }
      let content = FileContent(byteCount: byteCount) { writer throws(SystemError) in
        try writer(header)
        for part in parts { try part.write(writer) }
      }
      try WholeFile.write(content, to: path, keepsUnnamed: false)
    } catch {
      throw VARLiteError(
        .file, "\(path): what the reference said cannot be written: \(error.message)\(error.advice)"
      )
    }
  }

  private static func hasher() throws(SystemError) -> StreamHasher {
    guard let hash = try? StreamHasher() else { throw SystemError(.allocate, 0) }
    return hash
  }

  private static func parts(_ outputs: ReferenceOutputs) -> [FileContent] {
    let outcomes = outputs.outcomes.map {
      JSONValue.object(
        JSONObject([("drawings", .bool($0.hasDrawings)), ("report", $0.report)])
      ).text
    }
    let pictures = outputs.pictures.flatMap { picture in
      Self.bytes(UInt64(picture.width)) + Self.bytes(UInt64(picture.height)) + picture.pixels
    }
    let (said, layers) = (outputs.said, outputs.layers)
    return [
      FileContent(outputs.bits.flatMap { $0?.flatMap { $0 } ?? [] }),
      content(said.file, said.start..<said.start + said.byteCount),
      content(layers.file, layers.start..<layers.start + layers.places.byteCount),
      FileContent(Array((outcomes ?? "").utf8)), FileContent(pictures),
    ]
  }

  /// A part of a file, piece by piece.
  private static func content(_ file: OpenFile, _ range: Range<Int>) -> FileContent {
    FileContent(byteCount: range.count) { writer throws(SystemError) in
      for start in stride(from: range.lowerBound, to: range.upperBound, by: pieceByteCount) {
        let count = min(pieceByteCount, range.upperBound - start)
        let piece = try file.bytes(at: start, count: count)
        guard piece.count == count else { throw SystemError(.read(at: start + piece.count), 0) }
        try writer(piece)
      }
    }
  }

  private func header(sizes: [Int], content: VQ4Hash) -> [UInt8] {
    var bytes = Self.mark.bytes + Self.bytes(key)
    for size in sizes { bytes += Self.bytes(UInt64(size)) }
    bytes += Self.bytes(content)
    return bytes + Self.bytes(bytes.withUnsafeBytes { VQ4Hash(of: $0) })
  }

  private static func bytes(_ hash: VQ4Hash) -> [UInt8] { bytes(hash.low) + bytes(hash.high) }

  private static func bytes(_ word: UInt64) -> [UInt8] {
    withUnsafeBytes(of: word.littleEndian) { Array($0) }
  }
}
