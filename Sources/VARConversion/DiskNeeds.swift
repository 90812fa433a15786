import VQ4Format

/// The room on the disk that a conversion takes.
package struct DiskNeeds: Sendable {
  /// Bytes of the file at most: exact but for attachments where nothing is compressed, less where something is.
  package let fileByteCount: Int
  /// Bytes of the journal at most, until the file is complete.
  package let journalByteCount: Int

  /// Both together.
  package var byteCount: Int { fileByteCount + journalByteCount }

  /// - Parameter attachmentByteCount: bytes of everything besides weights.
  init(rows: [ConversionPlan.Row], attachmentByteCount: Int) {
    let attachmentCount = 16
    var end = 1 << VQ4Limits.pageShifts.upperBound
    var group = ""
    var tables = 0
    var chunkCount = 0
    var scaleByteCount = 0
    for row in rows {
      if row.group != group {
        group = row.group
        end = Self.aligned(end, to: 1 << VQ4Limits.pageShifts.upperBound)
        tables += 32 + group.utf8.count
      }
      tables += 160 + row.name.utf8.count
      for byteCount in row.streamByteCounts where byteCount > 0 {
        end = Self.aligned(end, to: VQ4Limits.streamAlignment) + byteCount
        // A chunk that is no whole megabyte has more than half of one.
        chunkCount += 1 + byteCount / (VQ4Limits.chunkBytes / 2)
      }
      scaleByteCount += row.streamByteCounts.dropFirst().reduce(0, +)
    }
    tables += 32 * chunkCount + 72 * attachmentCount
    fileByteCount =
      end + attachmentByteCount + tables + (attachmentCount + 6) * VQ4Limits.streamAlignment
      + VQ4Limits.superblockBytes
    // A slow machine takes the scales of almost every tensor along.
    journalByteCount = (1 << 20) + scaleByteCount + 32 * chunkCount + 512 * rows.count
  }

  private static func aligned(_ offset: Int, to alignment: Int) -> Int {
    (offset + alignment - 1) / alignment * alignment
  }

  /// Throws `notEnoughDisk` with both numbers where the disk has not the room.
  ///
  /// - Parameters:
  ///   - allocated: bytes of the partial file that are there already.
  ///   - free: bytes that are free besides; nil where that is not known.
  package func check(
    output: String, allocated: Int, free: Int?
  ) throws(ConversionError) {
    guard let free, free < byteCount - allocated else { return }
    let found = allocated > 0 ? "\(allocated) of them are there already" : "none of them are there"
    throw ConversionError(
      .notEnoughDisk, output,
      "the file may take \(fileByteCount) bytes and its journal \(journalByteCount), "
        + "\(found), but the disk has \(free) bytes free; make room, or choose "
        + "another disk or a smaller recipe")
  }
}
