/// Sizes fixed by the specification and limits on what a file may hold.
package enum VQ4Limits {
  /// Bytes of a superblock.
  package static let superblockBytes = 512
  /// Alignment of streams, attachments and tables, in bytes.
  package static let streamAlignment = 64
  /// Raw bytes of a chunk that holds more than one unit.
  package static let chunkBytes = 1 << 20
  /// Allowed logarithms of the group alignment; the writer uses the last one (64 KiB).
  package static let pageShifts = 9...16
  /// Bytes of a file.
  package static let maximumFileBytes = 1 << 46
  /// Rows of the table of tensors.
  package static let maximumTensors = 1 << 16
  /// Rows of the table of groups.
  package static let maximumGroups = 1 << 12
  /// Rows of the table of chunks.
  package static let maximumChunks = 1 << 20
  /// Rows of the table of attachments.
  package static let maximumAttachments = 64
  /// Decoded bytes of one attachment.
  package static let maximumAttachmentBytes = 1 << 26
  /// Decoded bytes of all compressed attachments together, so that a small file cannot take much memory.
  package static let maximumCompressedAttachmentBytes = 1 << 23
  /// Decoded bytes of an attachment that is read as JSON.
  package static let maximumJSONBytes = 1 << 20
  /// Bytes of a name.
  package static let maximumNameBytes = 255
  /// Axes of a tensor.
  package static let maximumRank = 5
  /// Elements of a tensor, of an axis.
  package static let maximumElements = 1 << 40
  package static let maximumDimension = Int(Int32.max)
  /// Inputs of a row, so that a tile stays under 64 MiB.
  package static let maximumCols = 1 << 20
  /// Window of a zstd frame, in bytes.
  package static let maximumWindowBytes = 1 << 26
}

/// Numbers of the binary layout that only this module needs.
enum Format {
  static let magic: [UInt8] = [0x89, 0x56, 0x51, 0x34, 0x0D, 0x0A, 0x1A, 0x0A]
  static let majorVersion: UInt16 = 1
  static let minorVersion: UInt16 = 0
  static let byteOrderMark: UInt32 = 0x0102_0304
  static let knownIncompatibleFeatures: UInt64 = 0

  static let groupRecordBytes = 32
  static let tensorRecordBytes = 160
  static let chunkRecordBytes = 32
  static let attachmentRecordBytes = 72

  static func aligned(_ offset: Int, to alignment: Int) -> Int {
    (offset + alignment - 1) & ~(alignment - 1)
  }
}
