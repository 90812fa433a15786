import VARTestSupport
import VQ4Format

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A tensor with the bytes of its streams.
struct TestTensor {
  var description: VQ4TensorDescription
  /// Indexed by `VQ4StreamRole.rawValue`.
  var streams: [[UInt8]]

  /// Random allowed codes; `spread` limits them, so that small values compress well.
  init(_ description: VQ4TensorDescription, seed: UInt64, spread: Int = 255) {
    self.description = description
    var generator = SplitMix64(seed: seed)
    streams = VQ4StreamRole.allCases.map { role in
      var bytes = [UInt8](repeating: 0, count: description.byteCount(of: role))
      Self.fill(&bytes, description, role, spread, &generator)
      Self.clearPadding(&bytes, description, role)
      return bytes
    }
  }

  private static func fill(
    _ bytes: inout [UInt8], _ description: VQ4TensorDescription, _ role: VQ4StreamRole,
    _ spread: Int, _ generator: inout SplitMix64
  ) {
    for index in bytes.indices {
      let random = Int.random(in: 0...spread, using: &generator)
      switch (role, description.elementType) {
      case (.codes, .int8), (.scales, .int4):
        bytes[index] = UInt8(bitPattern: Int8(random % 255 - min(spread, 254) / 2))
      case (.codes, .int4): bytes[index] = UInt8(random)
      case (.codes, .f32):
        // Exponents near one: finite numbers of both signs.
        bytes[index] = index % 4 == 3 ? UInt8(0x3E + random % 2 + (random & 2) * 64) : UInt8(random)
      case (.codes, _):
        bytes[index] = index % 2 == 1 ? UInt8(0x38 + random % 4 + (random & 4) * 32) : UInt8(random)
      default:
        bytes[index] = index % 2 == 1 ? UInt8(0x20 + random % 32) : UInt8(random)
      }
    }
  }

  private static func clearPadding(
    _ bytes: inout [UInt8], _ description: VQ4TensorDescription, _ role: VQ4StreamRole
  ) {
    guard description.layout == .tiles, description.rows % 16 != 0, !bytes.isEmpty else { return }
    let lane: Int
    switch (role, description.elementType) {
    case (.codes, .f32), (.codes, .int8), (.codes, .int4): lane = 4
    case (.scales, .int4): lane = 1
    default: lane = 2
    }
    let tile = description.unitByteCount(of: role)
    for index in bytes.count - tile..<bytes.count
    where index % (16 * lane) / lane >= description.rows % 16 {
      bytes[index] = 0
    }
  }
}

/// A small model with every type, layout and kind of stream.
enum TestModel {
  static let codebook: [Int8] = [
    -127, -96, -72, -54, -40, -28, -17, -6, 6, 17, 28, 40, 54, 72, 96, 127,
  ]

  static let attachments: [(name: String, bytes: [UInt8], inPlace: Bool)] = [
    ("tokenizer", (0..<100).map { UInt8($0) }, true),
    (
      "configuration", Array(#"{"model_type":"test","hidden_size":64,"layers":[1,2,3]}"#.utf8),
      false
    ),
    ("licence", Array(String(repeating: "do what you like. ", count: 30).utf8), false),
  ]

  static func int4(_ name: String, _ layout: VQ4Layout, _ shape: [Int], group: Int)
    -> VQ4TensorDescription
  {
    VQ4TensorDescription(
      name: name, elementType: .int4, layout: layout, shape: shape, groupSize: group
    ).with(codebook: codebook)
  }

  static func int8(_ name: String, _ layout: VQ4Layout, _ shape: [Int], group: Int)
    -> VQ4TensorDescription
  {
    VQ4TensorDescription(
      name: name, elementType: .int8, layout: layout, shape: shape, groupSize: group)
  }

  static func float(
    _ name: String, _ type: VQ4ElementType, _ layout: VQ4Layout, _ shape: [Int]
  ) -> VQ4TensorDescription {
    VQ4TensorDescription(name: name, elementType: type, layout: layout, shape: shape)
  }

  /// Groups with their tensors; small enough to try every bit of the file.
  static let small: [(name: String, tensors: [TestTensor])] = [
    ("embeddings", [TestTensor(int8("embed.weight", .table, [3, 64], group: 32), seed: 1)]),
    (
      "layers.0",
      [
        TestTensor(float("layers.0.norm.weight", .f32, .vector, [5]), seed: 2),
        TestTensor(int4("layers.0.up.weight", .tiles, [17, 32], group: 16), seed: 3),
        TestTensor(int8("layers.0.down.weight", .tiles, [2, 32], group: 32), seed: 4, spread: 3),
        TestTensor(float("layers.0.conv.weight", .f16, .tiles, [3, 1, 2, 3]), seed: 5),
      ]
    ),
    ("head", [TestTensor(float("head.bias", .bf16, .vector, [2, 3]), seed: 6)]),
  ]

  /// Only its first chunk of three shrinks, so that the stream gains about 7 %.
  private static let mixed: TestTensor = {
    let description = int8("b.mixed", .tiles, [80, 32_768], group: 64)
    var tensor = TestTensor(description, seed: 20)
    let shrinking = TestTensor(description, seed: 21, spread: 100)
    let chunk = description.chunkByteCount(of: .codes)
    tensor.streams[0].replaceSubrange(..<chunk, with: shrinking.streams[0][..<chunk])
    return tensor
  }()

  /// More than one chunk in several streams, every type in every layout it may have.
  static let large: [(name: String, tensors: [TestTensor])] = [
    (
      "a",
      [
        TestTensor(int4("a.tiles", .tiles, [100, 65_536], group: 32), seed: 11),
        TestTensor(int4("a.table", .table, [33, 512], group: 128), seed: 12),
        TestTensor(int8("a.int8", .tiles, [50, 32_768], group: 64), seed: 13, spread: 15),
      ]
    ),
    (
      "b",
      [
        TestTensor(int8("b.table", .table, [700, 2_048], group: 128), seed: 14, spread: 100),
        mixed,
        TestTensor(float("b.f32", .f32, .tiles, [19, 21]), seed: 15),
        TestTensor(float("b.f16", .f16, .table, [7, 9]), seed: 16),
        TestTensor(float("b.bf16", .bf16, .tiles, [16, 40]), seed: 17),
        TestTensor(float("b.vector", .f32, .vector, [2, 3, 4, 5, 6]), seed: 18),
        // Two chunks of planes, the last of them with rows beyond the last one.
        TestTensor(float("b.f16.tiles", .f16, .tiles, [100, 8_192]), seed: 22),
        TestTensor(float("b.bf16.table", .bf16, .table, [5, 131]), seed: 23),
        TestTensor(float("b.bf16.vector", .bf16, .vector, [1_001]), seed: 24),
        TestTensor(float("b.f16.one", .f16, .vector, [1]), seed: 25),
        TestTensor(float("b.f16.zeros", .f16, .vector, [600_001]), seed: 26, spread: 0),
        TestTensor(float("b.zeros", .f32, .vector, [600_000]), seed: 19, spread: 0),
      ]
    ),
  ]

  /// Writes the groups and returns the file's bytes. `piece` is the number of bytes given at a
  /// time.
  @discardableResult
  static func write(
    _ groups: [(name: String, tensors: [TestTensor])], to path: String,
    layout: VQ4StorageLayout, pageShift: Int = 16, piece: Int = 1 << 30
  ) throws -> VQ4Writer.Result {
    let writer = try VQ4Writer(path: path, layout: layout, overwrite: true, pageShift: pageShift)
    for (name, bytes, inPlace) in attachments {
      try writer.addAttachment(name, bytes, inPlace: inPlace)
    }
    for group in groups {
      try writer.beginGroup(group.name)
      for tensor in group.tensors {
        try writer.beginTensor(tensor.description)
        for role in VQ4StreamRole.allCases {
          try tensor.streams[Int(role.rawValue)].withUnsafeBytes { bytes in
            var start = 0
            while start < bytes.count {
              let count = min(piece, bytes.count - start)
              try writer.append(
                role, UnsafeRawBufferPointer(rebasing: bytes[start..<start + count]))
              start += count
            }
          }
        }
        try writer.endTensor()
      }
    }
    return try writer.finish()
  }

  /// The bytes of the small model with 512-byte pages.
  static func smallFile(layout: VQ4StorageLayout = .compact) throws -> [UInt8] {
    let directory = TemporaryDirectory()
    let path = directory.file("small.vq4")
    try write(small, to: path, layout: layout, pageShift: 9)
    return try Fixtures.readFile(path)
  }
}

func writeBytes(_ bytes: [UInt8], to path: String) throws {
  guard let file = fopen(path, "wb") else { throw FixtureError("cannot create \(path)") }
  defer { fclose(file) }
  guard fwrite(bytes, 1, bytes.count, file) == bytes.count else {
    throw FixtureError("cannot write \(path)")
  }
}

/// Opens a file held in memory.
func openFile(_ bytes: [UInt8]) throws -> VQ4File {
  try bytes.withUnsafeBytes { try VQ4File(copying: $0, path: "test.vq4") }
}
