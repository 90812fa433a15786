import Testing
import VARTestSupport
import VQ4Format

/// `formats/sample.vq4` and its annotation are what this code makes.
///
/// To make them anew after a change of the format, set the environment variable
/// `VQ4_WRITE_SAMPLE=1` for one run of these tests.
@Suite struct SampleTests {
  static let groups: [(name: String, tensors: [TestTensor])] = [
    (
      "layer",
      [
        TestTensor(TestModel.int4("layer.weight", .tiles, [16, 16], group: 16), seed: 1),
        TestTensor(TestModel.float("layer.norm", .f32, .vector, [3]), seed: 2),
      ]
    ),
    ("head", [TestTensor(TestModel.int8("head.weight", .table, [2, 32], group: 32), seed: 3)]),
  ]

  private static func sample() throws -> [UInt8] {
    let directory = TemporaryDirectory()
    let path = directory.file("sample.vq4")
    let writer = try VQ4Writer(path: path, layout: .map, overwrite: false, pageShift: 9)
    try writer.addAttachment("configuration", Array(#"{"hidden_size":16}"#.utf8))
    try writer.addAttachment("tokenizer", [1, 2, 3, 4], inPlace: true)
    for group in groups {
      try writer.beginGroup(group.name)
      for tensor in group.tensors {
        try writer.beginTensor(tensor.description)
        for role in VQ4StreamRole.allCases {
          try tensor.streams[Int(role.rawValue)].withUnsafeBytes { try writer.append(role, $0) }
        }
        try writer.endTensor()
      }
    }
    _ = try writer.finish()
    return try Fixtures.readFile(path)
  }

  private static let formats = Fixtures.path("../../formats")

  @Test func theSampleIsWhatTheWriterMakes() throws {
    let bytes = try Self.sample()
    let text = SampleAnnotation(bytes).text
    if Environment.isSet("VQ4_WRITE_SAMPLE") {
      try writeBytes(bytes, to: Self.formats + "/sample.vq4")
      try writeBytes(Array(text.utf8), to: Self.formats + "/sample.md")
    }
    #expect(try Fixtures.readFile(Self.formats + "/sample.vq4") == bytes)
    #expect(
      try String(decoding: Fixtures.readFile(Self.formats + "/sample.md"), as: UTF8.self) == text)
  }

  @Test func theSampleIsValidAndSmall() throws {
    let file = try VQ4File(path: Self.formats + "/sample.vq4")
    try file.verify()
    #expect(file.byteCount < 4_096)
    #expect(file.tensors.map(\.name) == ["layer.weight", "layer.norm", "head.weight"])
    let plain = try PlainDecoder(Fixtures.readFile(Self.formats + "/sample.vq4"))
    #expect(plain.attachments["tokenizer"] == [1, 2, 3, 4])
  }
}
