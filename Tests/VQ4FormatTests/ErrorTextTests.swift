import Testing
import VARTestSupport
import VQ4Format

/// The texts that users see: what is wrong, where, and what to do.
@Suite struct ErrorTextTests {
  private func text(_ bytes: [UInt8], verify: Bool = false) -> String {
    do {
      let file = try openFile(bytes)
      if verify { try file.verify() }
      return "no error"
    } catch {
      return "\(error)"
    }
  }

  @Test func aCutFileSaysHowMuchIsMissing() throws {
    let bytes = try TestModel.smallFile(layout: .map)
    #expect(
      text(Array(bytes.dropLast(100)))
        == "test.vq4: superblock: the file is cut short (expected 5,248 bytes, "
        + "found 5,148 bytes); the file is damaged, copy or download it again")
  }

  @Test func anotherKindOfFileIsNamed() {
    #expect(
      text(Array("GGUF and more".utf8))
        == "test.vq4: superblock: this is not a .vq4 file at offset 0; check the path")
  }

  @Test func aLaterVersionAsksForAnUpdate() throws {
    let file = EditableFile(try TestModel.smallFile())
    #expect(
      text(file.assembled(superblock: { put(&$0, 8, 2, 2) }))
        == "test.vq4: superblock: the format version is not known at offset 8 "
        + "(expected 1, found 2); update this program")
  }

  @Test func aFlippedBitNamesTensorStreamAndChunk() throws {
    var bytes = try TestModel.smallFile(layout: .map)
    let offset = EditableFile(bytes)[.chunks, 3, 0, 8]
    bytes[offset + 7] ^= 1
    #expect(
      text(bytes, verify: true)
        == "test.vq4: tensor \"layers.0.up.weight\", codes, chunk 0: the hash of 512 bytes "
        + "does not match at offset 1,088; the file is damaged, copy or download it again")
    let file = try openFile(bytes)
    #expect {
      var output = [UInt8](repeating: 0, count: 512)
      try output.withUnsafeMutableBytes { try file.decodeStream(2, .codes, into: $0) }
    } throws: {
      "\($0)" == text(bytes, verify: true)
    }
  }

  @Test func aWrongGroupSizeBlamesTheWriter() throws {
    let file = EditableFile(try TestModel.smallFile())
    #expect(
      text(file.assembled(tables: { $0[.tensors, 0, 12, 2] = 48 }))
        == "test.vq4: tensor \"embed.weight\": the group size is not allowed or does not divide "
        + "64 inputs (expected 32, 64, 128, found 48); the program that wrote it is at fault, "
        + "convert the model again")
  }

  @Test func anExistingOutputOffersAWayOut() throws {
    let directory = TemporaryDirectory()
    let path = directory.file("model.vq4")
    try writeBytes([0], to: path)
    #expect {
      try VQ4Writer(path: path)
    } throws: {
      "\($0)" == "\(path): the file exists; choose another output or allow overwriting"
    }
  }
}
