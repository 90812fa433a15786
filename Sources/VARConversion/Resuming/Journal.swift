import VARSystem
import VQ4Format

/// The file `<model>.vq4.journal` beside `<model>.vq4.partial`: what a later run needs to go on.
///
/// Little-endian. The first 8 bytes are `56 51 34 4A 4E 4C 02 0A`; the byte before the last is the version. Then
/// records, one directly after the other:
///
/// | offset | type | field |
/// | --- | --- | --- |
/// | 0 | u32 | bytes of the content |
/// | 4 | u8 | kind |
/// | 5 | 3 bytes | 0 |
/// | 8 | u64 | low half of the XXH3-128 of the 8 bytes before and the content |
/// | 16 | | content: `JournalRecord` |
///
/// The first record says what is converted. A record is appended only when what it speaks of is safely on the disk, and
/// a record that is cut or damaged ends the journal: a stop at any moment, of the program or of the machine, loses the
/// work since the last record and nothing else.
final class Journal: @unchecked Sendable {
  static let magic: [UInt8] = [0x56, 0x51, 0x34, 0x4A, 0x4E, 0x4C, 0x02, 0x0A]
  private static let headerByteCount = 16
  /// No record of ours is larger: the scales of a weight of 4 billion elements.
  private static let maximumContentByteCount = 128 << 20

  let path: String
  private let file: OpenFile
  private var end: Int

  static func path(of output: String) -> String { output + ".journal" }

  /// Opens a journal, which is created where there is none.
  ///
  /// - Parameters:
  ///   - end: the bytes that are kept; the rest is cut off.
  ///   - inputs: the files that the conversion reads.
  init(
    path: String, keeping end: Int, sparing inputs: Set<FileStatus.Identity>
  ) throws(ConversionError) {
    self.path = path
    self.end = end
    do throws(SystemError) {
      file = try OpenFile(path, .creating)
    } catch {
      throw Self.failure(path, error)
    }
    do throws(HelperFile.Refusal) {
      try HelperFile.check(file, sparing: inputs, isOurs: Self.isJournal)
    } catch {
      throw Self.refusal(path, error)
    }
    do throws(SystemError) {
      try file.truncate(to: end)
    } catch {
      throw Self.failure(path, error)
    }
    if end == 0 { try append(Self.magic) }
  }

  /// Appends records, so that either all of each or nothing counts, and returns when they are on the disk.
  func append(_ records: [JournalRecord]) throws(ConversionError) {
    var bytes: [UInt8] = []
    for record in records {
      let content = record.content
      var encoder = ByteEncoder()
      encoder.append(UInt32(content.count))
      encoder.append([record.kind.rawValue, 0, 0, 0])
      let hash = try Self.hash(encoder.bytes, content)
      encoder.append(hash)
      bytes += encoder.bytes
      bytes += content
    }
    try append(bytes)
    do throws(SystemError) {
      try file.flushData()
    } catch {
      throw Self.failure(path, error)
    }
  }

  private func append(_ bytes: [UInt8]) throws(ConversionError) {
    do throws(SystemError) {
      try file.write(bytes, at: end)
    } catch {
      throw Self.failure(path, error)
    }
    end += bytes.count
  }

  /// Throws `foreignFile` where something else than a journal has that name.
  static func checkPlace(
    _ path: String, sparing inputs: Set<FileStatus.Identity>
  ) throws(ConversionError) {
    do throws(HelperFile.Refusal) {
      try HelperFile.check(path, sparing: inputs, isOurs: isJournal)
    } catch {
      throw refusal(path, error)
    }
  }

  /// The file itself, whatever name it has by now; nil where the system does not tell.
  var identity: FileStatus.Identity? { (try? file.status())?.identity }

  /// Removes the journal of a finished or forsaken conversion, and nothing else of that name.
  ///
  /// - Parameters:
  ///   - identity: of the journal that this run had open; nil: what has the name is looked at.
  ///   - inputs: the files that the conversion reads.
  static func remove(
    _ path: String, opened identity: FileStatus.Identity? = nil,
    sparing inputs: Set<FileStatus.Identity>
  ) {
    if let identity {
      // Opened once more it might be refused.
      if FileStatus(path, followsLinks: false)?.identity == identity { FileTree.remove(path) }
      return
    }
    do throws(ConversionError) {
      try checkPlace(path, sparing: inputs)
      FileTree.remove(path)
    } catch {}
  }

  /// Whether a file that begins so is a journal of any version, or what a killed program left of one.
  private static func isJournal(_ start: [UInt8]) -> Bool {
    let version = magic.count - 2
    return start.allSatisfy { $0 == 0 }
      || zip(start, magic).enumerated().allSatisfy { $0 == version || $1.0 == $1.1 }
  }

  private static func refusal(_ path: String, _ reason: HelperFile.Refusal) -> ConversionError {
    if case .unreadable(let error) = reason { return failure(path, error) }
    return ConversionError(
      .foreignFile, path, "\(reason.problem); move it away or choose another output")
  }

  /// Calls `body` with the records of a journal up to the first that is cut, damaged or not wanted.
  ///
  /// - Parameter body: returns whether the record counts.
  /// - Returns: the bytes of the records that count; nil where there is no journal of this version.
  static func read(_ path: String, _ body: (JournalRecord) -> Bool) -> Int? {
    guard let file = try? OpenFile(path, .readingNoLink),
      let magic = bytes(file, at: 0, count: Self.magic.count), magic == Self.magic
    else { return nil }
    var end = magic.count
    while let header = bytes(file, at: end, count: headerByteCount) {
      let (count, kind, hash) = header.withUnsafeBytes { header in
        var decoder = ByteDecoder(header)
        let count = Int(decoder.next(UInt32.self))
        let kind = UInt8(truncatingIfNeeded: decoder.next(UInt32.self))
        return (count, kind, decoder.next(UInt64.self))
      }
      guard count <= maximumContentByteCount,
        let content = bytes(file, at: end + headerByteCount, count: count),
        (try? Self.hash(Array(header[..<8]), content)) == hash,
        let record = JournalRecord(kind: kind, content: content), body(record)
      else { break }
      end += headerByteCount + count
    }
    return end
  }

  private static func bytes(_ file: OpenFile, at offset: Int, count: Int) -> [UInt8]? {
    guard let status = try? file.status(), status.kind == .regular,
      count <= status.byteCount - offset, (try? HeapMemory.require(count)) != nil,
      let bytes = try? file.bytes(at: offset, count: count),
      bytes.count == count
    else { return nil }
    return bytes
  }

  private static func hash(
    _ header: [UInt8], _ content: [UInt8]
  ) throws(ConversionError) -> UInt64 {
    guard let hasher = try? StreamHasher() else {
      throw ConversionError(.notEnoughMemory, "the system", "gave no memory for a hash")
    }
    hasher.update(header)
    hasher.update(content)
    return hasher.value.low
  }

  private static func failure(_ path: String, _ error: SystemError) -> ConversionError {
    ConversionError(
      error.isShortOfRoom ? .notEnoughDisk : .journal, path,
      "\(error); "
        + (error.isShortOfFiles
          ? "raise the limit on open files (ulimit -n)"
          : "check the free space and the rights of the directory"))
  }
}
