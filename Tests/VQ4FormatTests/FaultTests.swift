import Testing
import VARTestSupport
import VQ4Format

/// A fault planted in a valid file, and the code that must name it.
struct Fault: Sendable, CustomTestStringConvertible {
  let testDescription: String
  let code: VQ4Error.Code
  /// Before the parts are laid out.
  var parts: @Sendable (inout EditableFile) -> Void = { _ in }
  /// In the finished tables, before they are hashed.
  var tables: @Sendable (inout EditableFile) -> Void = { _ in }
  /// In the finished superblock, before it is hashed.
  var superblock: @Sendable (inout [UInt8]) -> Void = { _ in }
  /// In the finished file.
  var bytes: @Sendable (inout [UInt8]) -> Void = { _ in }

  init(
    _ description: String, _ code: VQ4Error.Code,
    parts: @escaping @Sendable (inout EditableFile) -> Void = { _ in },
    tables: @escaping @Sendable (inout EditableFile) -> Void = { _ in },
    superblock: @escaping @Sendable (inout [UInt8]) -> Void = { _ in },
    bytes: @escaping @Sendable (inout [UInt8]) -> Void = { _ in }
  ) {
    testDescription = description
    self.code = code
    self.parts = parts
    self.tables = tables
    self.superblock = superblock
    self.bytes = bytes
  }

  func file() throws -> [UInt8] {
    var file = EditableFile(try TestModel.smallFile())
    parts(&file)
    var result = file.assembled(tables: tables, superblock: superblock)
    bytes(&result)
    return result
  }
}

/// Sets a number in the superblock.
func put(_ bytes: inout [UInt8], _ offset: Int, _ count: Int, _ value: Int) {
  EditableFile.set(&bytes, offset, count, value)
}

@Suite struct FaultTests {
  @Test func assemblingWithoutAFaultGivesTheFileBack() throws {
    for layout in VQ4StorageLayout.allCases {
      let bytes = try TestModel.smallFile(layout: layout)
      #expect(EditableFile(bytes).assembled() == bytes)
    }
  }

  /// VQ4-29.
  @Test(arguments: Fault.superblockFaults + Fault.tableFaults)
  func openingNamesTheFault(_ fault: Fault) throws {
    let bytes = try fault.file()
    #expect {
      try openFile(bytes)
    } throws: { error in
      let error = error as? VQ4Error
      #expect(error?.code == fault.code, "\(String(describing: error))")
      #expect(error?.path == "test.vq4")
      return error?.code == fault.code
    }
  }

  /// VQ4-21, VQ4-24 to VQ4-27, VQ4-31.
  @Test(arguments: Fault.contentFaults)
  func verifyingNamesTheFault(_ fault: Fault) throws {
    let file = try openFile(try fault.file())
    #expect {
      try file.verify()
    } throws: { error in
      let error = error as? VQ4Error
      #expect(error?.code == fault.code, "\(String(describing: error))")
      #expect(error?.path == "test.vq4")
      return error?.code == fault.code
    }
  }

  /// Every code stands in the specification, and every code that a file can cause is planted.
  @Test func everyCodeIsSpecifiedAndPlanted() throws {
    let root = Fixtures.path("../..")
    let source = try String(
      decoding: Fixtures.readFile(root + "/Sources/VQ4Format/VQ4Error+Codes.swift"),
      as: UTF8.self)
    let codes = Set(source.split(separator: "Self(\"").dropFirst().map { $0.prefix { $0 != "\"" } })
    let text = try String(decoding: Fixtures.readFile(root + "/formats/vq4.md"), as: UTF8.self)
    let rows = text.split(separator: "## 10.")[1].split(separator: "## 11.")[0]
      .split(separator: "\n").filter { $0.hasPrefix("| ") }.dropFirst(2)
    let specified = Set(
      rows.flatMap { row in
        row.split(separator: "|")[1].split(separator: "`").filter { codes.contains($0) }
      })
    #expect(codes.subtracting(specified) == [])
    let planted = Set(
      (Fault.superblockFaults + Fault.tableFaults + Fault.contentFaults).map {
        Substring($0.code.rawValue)
      })
    // The tests of opening, reading, writing and metadata have these.
    let elsewhere: Set<Substring> = [
      "cannotOpen", "readFailed", "changedInUse", "outOfMemory", "notARegularFile",
      "missingAttachment", "invalidMetadata",
      "regionOutOfBounds", "regionMisaligned",
      "outputExists", "sameFile", "notEnoughSpace", "cancelled", "outputBusy", "writeFailed",
      "streamIncomplete", "streamOverrun",
    ]
    #expect(codes.subtracting(planted) == elsewhere)
  }

  /// VQ4-7.
  @Test func unknownFeaturesThatMayBeIgnoredAndMinorVersionsAreAccepted() throws {
    let bytes = EditableFile(try TestModel.smallFile()).assembled(superblock: {
      put(&$0, 24, 8, 1 << 40)
      put(&$0, 10, 2, 7)
    })
    let file = try openFile(bytes)
    #expect(file.formatVersion == "1.7")
    try file.verify()
  }

  /// VQ4-18.
  @Test(arguments: [
    (#"{"a":1,"a":2}"#, "stands twice"), (String(repeating: "[", count: 40), "nesting"),
    (#"{"a":1e999}"#, "out of range"), (#"{"a":NaN}"#, "unexpected"),
  ])
  func hostileMetadataIsRefused(text: String, words: String) throws {
    var file = EditableFile(try TestModel.smallFile())
    file.blobs[0] = Array(text.utf8)
    file[.attachments, 0, 24, 8] = text.utf8.count
    file[.attachments, 0, 32, 1] = 0
    let opened = try openFile(file.assembled())
    #expect {
      try opened.jsonAttachment("configuration")
    } throws: {
      let error = $0 as? VQ4Error
      return error?.code == .invalidMetadata && error?.description.contains(words) == true
    }
    #expect { try opened.jsonAttachment("recipe") } throws: {
      ($0 as? VQ4Error)?.code == .missingAttachment
    }
  }

  /// VQ4-40.
  @Test func attachmentsOfJSONAreSmall() throws {
    let limit = 1 << 20
    for byteCount in [limit, limit + 1, 64 << 20] {
      let text = "[" + String(repeating: " ", count: byteCount - 2) + "]"
      var file = EditableFile(try TestModel.smallFile())
      file.blobs[0] = EditableFile.compress(Array(text.utf8))
      file[.attachments, 0, 24, 8] = byteCount
      file[.attachments, 0, 32, 1] = 1
      let bytes = file.assembled()
      #expect(bytes.count < 20_000)
      let opened = try openFile(bytes)
      if byteCount <= limit {
        #expect(try opened.jsonAttachment("configuration").arrayValue?.isEmpty == true)
        try opened.verify()
        continue
      }
      #expect {
        try opened.jsonAttachment("configuration")
      } throws: {
        let error = $0 as? VQ4Error
        return error?.code == .invalidMetadata && error?.description.contains("too large") == true
      }
      // What is no JSON may be larger, up to 8 MiB of all compressed ones.
      guard byteCount > 8 << 20 else {
        try opened.verify()
        continue
      }
      #expect { try opened.verify() } throws: { ($0 as? VQ4Error)?.code == .attachmentSize }
      #expect { try opened.attachment("configuration") } throws: {
        ($0 as? VQ4Error)?.code == .attachmentSize
      }
    }
  }
}
