import Testing
import VARCheckpoint
import VARTestSupport

@Suite struct ZipArchiveTests {
  private static let pickle: [UInt8] = {
    let file = TorchArchive.file(
      .dictionary([
        (
          "w",
          .tensor(
            TorchArchive.Tensor(
              storageType: "LongStorage", shape: [1], bytes: [1, 0, 0, 0, 0, 0, 0, 0]))
        )
      ]))
    // The first member follows its header of 30 bytes and its name.
    let size = Int(file[18]) | Int(file[19]) << 8
    return Array(file[46..<46 + size])
  }()
  private static let storage: [UInt8] = [1, 0, 0, 0, 0, 0, 0, 0]

  private func fault(_ bytes: [UInt8]) -> CheckpointError? {
    let directory = TemporaryDirectory()
    directory.write("a.pth", bytes)
    do {
      _ = try Checkpoint(path: directory.file("a.pth"))
      return nil
    } catch {
      return error
    }
  }

  private func archive(_ extra: [(String, [UInt8])] = [], data: String = "a/data/0") -> [UInt8] {
    TorchArchive.zip([("a/data.pkl", Self.pickle), (data, Self.storage)] + extra)
  }

  /// The position of the central directory's entry `index` in an archive without extra fields.
  private func entry(_ index: Int, in bytes: [UInt8]) -> Int {
    let signature = TorchArchive.number(0x0201_4B50, 4)
    let places = bytes.indices.filter { bytes[$0...].starts(with: signature) }
    return places[index]
  }

  /// The position of the second member's header: behind the first one's header, name and content.
  private var secondHeader: Int { 30 + "a/data.pkl".utf8.count + Self.pickle.count }

  @Test func theValidArchiveOpens() { #expect(fault(archive()) == nil) }

  @Test func bigEndianFilesAreRefused() {
    #expect(fault(archive([("a/byteorder", Array("little".utf8))])) == nil)
    let big = fault(archive([("a/byteorder", Array("big".utf8))]))
    #expect(big?.code == .unsupportedFormat)
  }

  @Test func compressedAndEncryptedMembersAreRefusedByName() {
    var bytes = archive()
    let second = entry(1, in: bytes)
    bytes[second + 10] = 8
    #expect(fault(bytes)?.code == .unsupportedFormat)
    #expect(fault(bytes)?.detail.contains("a/data/0 is compressed (method 8)") == true)
    bytes[second + 10] = 0
    bytes[second + 8] = 1
    #expect(fault(bytes)?.detail.contains("encrypted") == true)
  }

  @Test func directoriesThatLieAreRefused() {
    let valid = archive()
    func changed(_ offset: Int, _ value: UInt8) -> CheckpointError.Code? {
      var bytes = valid
      bytes[offset] = value
      return fault(bytes)?.code
    }
    let second = entry(1, in: valid)
    #expect(changed(second + 20, 9) == .malformedArchive)
    #expect(changed(second + 42, 1) == .malformedArchive)
    #expect(changed(second + 45, 0x7F) == .malformedArchive)
    #expect(changed(second + 46, UInt8(ascii: "b")) == .malformedArchive)
    #expect(changed(valid.count - 12, 3) == .malformedArchive)
    #expect(changed(valid.count - 10, 3) == .malformedArchive)
    // The header before the content says something else.
    let header = secondHeader
    #expect(valid[header...].starts(with: TorchArchive.number(0x0403_4B50, 4)))
    #expect(changed(header + 8, 8) == .malformedArchive)
    #expect(changed(header + 22, 9) == .malformedArchive)
    #expect(changed(header + 26, 9) == .malformedArchive)
    #expect(changed(header + 28, 0xFF) == .invalidOffsets)
    // A member that passes the directory.
    var bytes = valid
    for field in [second + 20, second + 24, header + 18, header + 22] {
      bytes.replaceSubrange(field..<field + 4, with: [0, 0, 1, 0])
    }
    #expect(fault(bytes)?.code == .invalidOffsets)
  }

  @Test func membersMustNotRepeatOrOverlap() {
    #expect(fault(archive([("a/data/0", Self.storage)]))?.code == .malformedArchive)
    // The second member's sizes reach over the third one.
    var bytes = archive([("a/data/1", Self.storage)])
    let second = entry(1, in: bytes)
    for field in [second + 20, second + 24, secondHeader + 18, secondHeader + 22] {
      bytes[field] = 40
    }
    #expect(fault(bytes)?.code == .overlap)
  }

  @Test func oneMemberHoldsThePickle() {
    #expect(fault(TorchArchive.zip([("a/version", [1])]))?.code == .unsupportedFormat)
    #expect(fault(archive([("b/data.pkl", Self.pickle)]))?.code == .unsupportedFormat)
    #expect(fault(archive(data: "data/0"))?.code == .missingTensor)
    #expect(fault([])?.code == .unsupportedFormat)
    #expect(fault(Array("PK".utf8))?.code == .unsupportedFormat)
    #expect(fault([0x50, 0x4B, 3, 4])?.code == .malformedArchive)
  }

  /// The directory in zip64's form: sizes and offset of the second member in an extra field, a wide end record.
  private func wideArchive(signature: Int = 0x0606_4B50, place: Int? = nil) -> [UInt8] {
    var bytes = archive()
    let second = entry(1, in: bytes)
    let first = entry(0, in: bytes)
    let end = bytes.count - 22
    var extra = TorchArchive.number(0x7777, 2) + [1, 0, 9]
    extra += [1, 0, 24, 0]
    for field in [24, 20, 42] {
      extra += Array(bytes[second + field..<second + field + 4]) + [0, 0, 0, 0]
    }
    let unknown = [UInt8](repeating: 0xFF, count: 4)
    for field in [20, 24, 42] {
      bytes.replaceSubrange(second + field..<second + field + 4, with: unknown)
    }
    bytes[second + 30] = UInt8(extra.count)
    bytes.replaceSubrange(end..., with: extra)
    let wideEnd = bytes.count
    let size = wideEnd - first
    bytes += TorchArchive.number(signature, 4) + TorchArchive.number(44, 8)
    bytes += TorchArchive.number(0, 12) + TorchArchive.number(2, 8) + TorchArchive.number(2, 8)
    bytes += TorchArchive.number(size, 8) + TorchArchive.number(first, 8)
    bytes += TorchArchive.number(0x0706_4B50, 4) + TorchArchive.number(0, 4)
    bytes += TorchArchive.number(place ?? wideEnd, 8) + TorchArchive.number(1, 4)
    bytes += TorchArchive.number(0x0605_4B50, 4) + TorchArchive.number(0, 4)
    bytes += [2, 0, 2, 0] + unknown + unknown + [0, 0]
    return bytes
  }

  @Test func wideDirectoriesAreRead() {
    #expect(fault(wideArchive()) == nil)
    #expect(fault(wideArchive(signature: 7))?.code == .malformedArchive)
    #expect(fault(wideArchive(place: .max))?.code == .malformedArchive)
    #expect(fault(wideArchive(place: 1 << 40))?.code == .malformedArchive)
  }
}
