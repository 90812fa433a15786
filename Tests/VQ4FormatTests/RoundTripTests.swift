import Testing
import VQ4Format

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

@Suite struct RoundTripTests {
  @Test(arguments: VQ4StorageLayout.allCases, [false, true])
  func everyStreamComesBack(layout: VQ4StorageLayout, isLarge: Bool) throws {
    let directory = TemporaryDirectory()
    let path = directory.file("model.vq4")
    let groups = isLarge ? TestModel.large : TestModel.small
    let result = try TestModel.write(groups, to: path, layout: layout)
    let file = try VQ4File(path: path)
    #expect(file.byteCount == result.fileBytes)
    #expect(file.contentHash == result.contentHash)
    #expect(file.groups.map(\.name) == groups.map(\.name))
    #expect(file.groups.allSatisfy { $0.fileRange.lowerBound % 65_536 == 0 })
    for tensor in groups.flatMap(\.tensors) {
      let index = try #require(file.tensorIndex(named: tensor.description.name))
      #expect(file.tensors[index].description == tensor.description)
      for role in VQ4StreamRole.allCases {
        let expected = tensor.streams[Int(role.rawValue)]
        var decoded = [UInt8](repeating: 0xA5, count: expected.count)
        try decoded.withUnsafeMutableBytes { try file.decodeStream(index, role, into: $0) }
        #expect(decoded == expected, "\(tensor.description.name) \(role)")
        if let raw = file.rawStream(index, role) {
          #expect(raw.elementsEqual(expected))
          #expect(Int(bitPattern: raw.baseAddress) % 64 == 0)
        } else {
          #expect(layout != .map || expected.isEmpty)
        }
      }
    }
    for (name, bytes, inPlace) in TestModel.attachments {
      #expect(try file.attachment(name) == bytes)
      #expect(try !inPlace || file.attachmentInPlace(name)?.elementsEqual(bytes) == true)
    }
    #expect(try file.attachment("none") == nil)
    #expect(try file.jsonAttachment("configuration")["hidden_size"]?.integerValue == 64)
    try file.verify()
  }
}
