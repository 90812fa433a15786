#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

enum Environment {
  static func isSet(_ name: String) -> Bool { getenv(name) != nil }
}

/// Explains every byte of a small `.vq4` file without compressed chunks, in the words of
/// `formats/vq4.md`.
struct SampleAnnotation {
  private let bytes: [UInt8]
  private let file: EditableFile
  private var lines: [String] = []
  private var position = 0

  init(_ bytes: [UInt8]) {
    self.bytes = bytes
    file = EditableFile(bytes)
    annotateSuperblock()
    annotatePayload()
    annotateAttachments()
    annotateTables()
    padding(to: bytes.count - 512)
    heading("Copy of the superblock")
    field(512, "the first 512 bytes again", isLong: true)
    precondition(position == bytes.count, "bytes without an explanation")
  }

  var text: String {
    """
    # `sample.vq4`, byte by byte

    A file of \(bytes.count) bytes with two groups: an `int4` matrix in tiles and an `f32` vector,
    then an `int8` table; and two attachments. Its `page_shift` is 9, so that it stays small.
    `SampleTests` makes the file and this text.

    Columns: offset, bytes in hexadecimal, meaning. `..` stands for bytes left out: further zeros,
    or further values of the same kind.

    ```

    """ + lines.joined(separator: "\n") + "\n```\n"
  }

  private mutating func heading(_ title: String) {
    if !lines.isEmpty { lines.append("") }
    lines.append("-- \(title)")
  }

  private static func hexadecimal(_ value: Int, _ digits: Int) -> String {
    let text = String(value, radix: 16, uppercase: true)
    return String(repeating: "0", count: max(0, digits - text.count)) + text
  }

  /// The next `count` bytes; a long field shows its first eight.
  private mutating func field(_ count: Int, _ meaning: String, isLong: Bool = false) {
    let shown = isLong || count > 16 ? min(8, count) : count
    var hex = bytes[position..<position + shown].map { Self.hexadecimal(Int($0), 2) }
    if shown < count { hex.append("..") }
    let columns = hex.joined(separator: " ")
    let fill = String(repeating: " ", count: max(0, 48 - columns.count))
    lines.append("\(Self.hexadecimal(position, 4))  \(columns)\(fill)  \(meaning)")
    position += count
  }

  private mutating func padding(to offset: Int) {
    if offset > position { field(offset - position, "padding, \(offset - position) bytes") }
  }

  private func number(_ count: Int) -> Int {
    (0..<count).reversed().reduce(0) { $0 << 8 | Int(bytes[position + $1]) }
  }

  private mutating func annotateSuperblock() {
    heading("Superblock (section 2)")
    field(8, "magic")
    field(2, "major version \(number(2))")
    field(2, "minor version \(number(2))")
    field(4, "byte order mark")
    field(8, "features a reader must know: none")
    field(8, "features a reader may ignore: none")
    field(8, "file_bytes \(number(8))")
    field(1, "page_shift \(number(1)): groups at multiples of \(1 << number(1))")
    field(7, "reserved")
    for name in ["payload", "attachments"] {
      field(8, "\(name) offset \(number(8))")
      field(8, "\(name) size \(number(8))")
    }
    field(4, "number of tables")
    field(4, "reserved")
    for name in ["strings", "groups", "tensors", "chunks", "attachments"] {
      field(4, "table \(number(4)): \(name)")
      field(4, "reserved")
      field(8, "offset \(number(8))")
      field(8, "size \(number(8))")
      field(16, "hash of the table")
    }
    field(16, "content hash (section 7)")
    field(192, "reserved, 192 bytes")
    field(16, "hash of bytes 0 to 495")
  }

  private mutating func annotatePayload() {
    heading("Payload (sections 4 and 5)")
    let roles = ["codes", "scales", "superscales"]
    for tensor in 0..<file.rowCount(.tensors) {
      for role in 0..<3 where file[.tensors, tensor, 68 + 32 * role, 4] > 0 {
        let chunk = file[.tensors, tensor, 64 + 32 * role, 4]
        padding(to: file[.chunks, chunk, 0, 8])
        let count = file[.chunks, chunk, 8, 4]
        field(
          count, "\(name(.tensors, tensor)), \(roles[role]): \(count) bytes",
          isLong: count > 16)
      }
    }
  }

  private mutating func annotateAttachments() {
    heading("Attachments")
    for row in 0..<file.rowCount(.attachments) {
      padding(to: file[.attachments, row, 8, 8])
      field(file[.attachments, row, 16, 8], "attachment \(name(.attachments, row))")
    }
  }

  private func name(_ table: EditableFile.Table, _ row: Int) -> String {
    let start = file[table, row, 0, 4]
    return String(decoding: file.tables[0][start..<start + file[table, row, 4, 4]], as: UTF8.self)
  }

  private mutating func nameReference() {
    let start = number(4)
    field(4, "name at \(start) of the strings")
    let count = number(4)
    let text = String(decoding: file.tables[0][start..<start + count], as: UTF8.self)
    field(4, "\(count) bytes: \(text)")
  }

  private mutating func annotateTables() {
    padding(to: EditableFile.number(file.superblock, 96, 8))
    heading("Table of strings (section 3)")
    for group in 0..<file.rowCount(.groups) {
      field(file[.groups, group, 4, 4], name(.groups, group))
      let first = file[.groups, group, 8, 4]
      for tensor in first..<first + file[.groups, group, 12, 4] {
        field(file[.tensors, tensor, 4, 4], name(.tensors, tensor))
      }
    }
    for row in 0..<file.rowCount(.attachments) {
      field(file[.attachments, row, 4, 4], name(.attachments, row))
    }
    padding(to: EditableFile.number(file.superblock, 136, 8))
    heading("Table of groups")
    for _ in 0..<file.rowCount(.groups) {
      nameReference()
      field(4, "first tensor \(number(4))")
      field(4, "number of tensors \(number(4))")
      field(8, "file offset \(number(8))")
      field(8, "bytes \(number(8))")
    }
    padding(to: EditableFile.number(file.superblock, 176, 8))
    heading("Table of tensors")
    for _ in 0..<file.rowCount(.tensors) { annotateTensor() }
    padding(to: EditableFile.number(file.superblock, 216, 8))
    heading("Table of chunks")
    for _ in 0..<file.rowCount(.chunks) {
      field(8, "file offset \(number(8))")
      field(4, "stored bytes \(number(4))")
      field(4, "decoded bytes \(number(4))")
      field(8, "hash of the stored bytes")
      field(1, "codec \(number(1)): raw")
      field(7, "reserved")
    }
    padding(to: EditableFile.number(file.superblock, 256, 8))
    heading("Table of attachments")
    for _ in 0..<file.rowCount(.attachments) {
      nameReference()
      field(8, "file offset \(number(8))")
      field(8, "stored bytes \(number(8))")
      field(8, "decoded bytes \(number(8))")
      field(1, "codec \(number(1)): raw")
      field(7, "reserved")
      field(16, "hash of the stored bytes")
      field(16, "hash of the decoded bytes")
    }
  }

  private mutating func annotateTensor() {
    let types = ["", "f32", "f16", "bf16", "int8", "int4"]
    nameReference()
    field(1, "element type \(number(1)): \(types[number(1)])")
    field(1, "layout \(number(1)): \(["vector", "table", "tiles"][number(1)])")
    let rank = number(1)
    field(1, "rank \(rank)")
    field(1, "reserved")
    field(2, "group size \(number(2))")
    field(2, "reserved")
    for axis in 0..<5 { field(4, axis < rank ? "axis \(axis): \(number(4))" : "no axis") }
    field(16, "codebook")
    field(12, "reserved")
    for role in ["codes", "scales", "superscales"] {
      field(4, "\(role): first chunk \(number(4))")
      field(4, "number of chunks \(number(4))")
      field(8, "decoded bytes \(number(8))")
      field(16, "hash of the decoded bytes")
    }
  }
}
