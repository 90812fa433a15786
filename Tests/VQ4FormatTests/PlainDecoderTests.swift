import CVARKernels
import Testing
import VARTestSupport
import VQ4Format

@Suite struct PlainDecoderTests {
  @Test(arguments: VQ4StorageLayout.allCases, [false, true])
  func agreesWithTheReader(layout: VQ4StorageLayout, isLarge: Bool) throws {
    let directory = TemporaryDirectory()
    let path = directory.file("model.vq4")
    try TestModel.write(isLarge ? TestModel.large : TestModel.small, to: path, layout: layout)
    let plain = try PlainDecoder(Fixtures.readFile(path))
    let file = try VQ4File(path: path)
    #expect(
      plain.groups
        == file.groups.map {
          PlainDecoder.Group(
            name: $0.name, firstTensor: $0.tensors.lowerBound, tensorCount: $0.tensors.count)
        })
    #expect(plain.tensors.map(\.name) == file.tensors.map(\.name))
    for (index, tensor) in plain.tensors.enumerated() {
      let description = file.tensors[index].description
      #expect(tensor.type == Int(description.elementType.rawValue))
      #expect(tensor.layout == Int(description.layout.rawValue))
      #expect(tensor.shape == description.shape)
      #expect(tensor.groupSize == description.groupSize)
      for role in VQ4StreamRole.allCases {
        var decoded = [UInt8](repeating: 0, count: description.byteCount(of: role))
        try decoded.withUnsafeMutableBytes { try file.decodeStream(index, role, into: $0) }
        #expect(decoded == tensor.streams[Int(role.rawValue)])
      }
    }
    for (name, bytes, _) in TestModel.attachments { #expect(plain.attachments[name] == bytes) }
  }

  /// Section 5, VQ4-23: codes and scales set at the places of `cvar_matrix.h` give the matrix
  /// they were made from.
  @Test(arguments: [
    (VQ4ElementType.f32, VQ4Layout.tiles), (.f32, .table), (.f16, .tiles), (.f16, .table),
    (.bf16, .tiles), (.bf16, .table), (.int8, .tiles), (.int8, .table), (.int4, .tiles),
    (.int4, .table),
  ])
  func dequantizesToTheMatrixThatWasPacked(type: VQ4ElementType, layout: VQ4Layout) throws {
    let packed = PackedMatrix(type, layout, rows: 19, cols: 288, groupSize: 32)
    let directory = TemporaryDirectory()
    let path = directory.file("model.vq4")
    try TestModel.write([("a", [packed.tensor])], to: path, layout: .compact)
    let plain = try PlainDecoder(Fixtures.readFile(path))
    #expect(plain.tensors[0].values == packed.values)
    try VQ4File(path: path).verify()
  }

  @Test func streamSizesAreThoseOfTheKernels() {
    for type in VQ4ElementType.allCases {
      for (rows, cols) in [(1, 128), (16, 256), (17, 384), (40, 1_152)] {
        let group = type.groupSizes.last ?? 0
        let description = VQ4TensorDescription(
          name: "a", elementType: type, layout: .tiles, shape: [rows, cols], groupSize: group
        ).with(codebook: type == .int4 ? TestModel.codebook : [])
        let kind = Int32(type.rawValue)
        let sizes = [
          cvar_codes_bytes(kind, Int32(rows), Int32(cols)),
          cvar_scales_bytes(kind, Int32(rows), Int32(cols), Int32(group)),
          cvar_superscales_bytes(kind, Int32(rows), Int32(cols)),
        ]
        #expect(VQ4StreamRole.allCases.map { description.byteCount(of: $0) } == sizes)
      }
    }
    #expect(VQ4TensorDescription.tileRows == Int(CVAR_TILE_ROWS))
    #expect(VQ4TensorDescription.superblockCols == Int(CVAR_SUPERBLOCK_COLS))
  }
}

/// A matrix of known values, packed by walking over tiles and lanes as kernels do.
private struct PackedMatrix {
  let values: [Float]
  let tensor: TestTensor

  init(_ type: VQ4ElementType, _ layout: VQ4Layout, rows: Int, cols: Int, groupSize: Int) {
    let isQuantized = type.isQuantized
    let description = VQ4TensorDescription(
      name: "a", elementType: type, layout: layout, shape: [rows, cols],
      groupSize: isQuantized ? groupSize : 0
    ).with(codebook: type == .int4 ? TestModel.codebook : [])
    var generator = SplitMix64(seed: 7)
    var values = [Float](repeating: 0, count: rows * cols)
    var codes = [UInt8](repeating: 0, count: description.byteCount(of: .codes))
    var scales = [UInt8](repeating: 0, count: description.byteCount(of: .scales))
    var superscales = [UInt8](repeating: 0, count: description.byteCount(of: .superscales))
    let tileRows = layout == .tiles ? 16 : 1
    let groups = cols / groupSize
    for tile in 0..<(rows + tileRows - 1) / tileRows {
      for lane in 0..<min(tileRows, rows - tile * tileRows) {
        let row = tile * tileRows + lane
        var superscale: Float = 0
        var scale: Float = 0
        for col in 0..<cols {
          let group = (tile * groups + col / groupSize) * tileRows + lane
          if type == .int4, col % 256 == 0 {
            let block = (tile * ((cols + 255) / 256) + col / 256) * tileRows + lane
            superscale = Self.randomScale(&superscales, block, &generator) * 0x1p-16
          }
          if type == .int4, col % groupSize == 0 {
            let integer = Int8.random(in: -127...127, using: &generator)
            scales[group] = UInt8(bitPattern: integer)
            scale = Float(integer) * superscale
          }
          if type == .int8, col % groupSize == 0 {
            scale = Self.randomScale(&scales, group, &generator) * 0x1p-12
          }
          let value: Float
          switch type {
          case .int8:
            let code = Int8.random(in: -127...127, using: &generator)
            codes[(tile * (cols / 4) + col / 4) * tileRows * 4 + lane * 4 + col % 4] =
              UInt8(bitPattern: code)
            value = Float(code) * scale
          case .int4:
            let code = UInt8.random(in: 0...15, using: &generator)
            codes[(tile * (cols / 8) + col / 8) * tileRows * 4 + lane * 4 + col % 4] |=
              col & 4 == 0 ? code : code << 4
            value = Float(TestModel.codebook[Int(code)]) * scale
          default:
            value = Self.randomFloat(
              &codes, (tile * cols + col) * tileRows + lane, type, &generator)
          }
          values[row * cols + col] = value
        }
      }
    }
    self.values = values
    var tensor = TestTensor(description, seed: 0)
    tensor.streams = [codes, scales, superscales]
    self.tensor = tensor
  }

  /// A multiple of 1/8 in 1..<2, as fp16.
  private static func randomScale(
    _ bytes: inout [UInt8], _ index: Int, _ generator: inout SplitMix64
  ) -> Float {
    let eighths = UInt16.random(in: 0..<8, using: &generator)
    store(0x3C00 | eighths << 7, &bytes, index)
    return 1 + Float(eighths) / 8
  }

  /// A multiple of 1/4 in -32...31.75, exact in every float type.
  private static func randomFloat(
    _ bytes: inout [UInt8], _ index: Int, _ type: VQ4ElementType,
    _ generator: inout SplitMix64
  ) -> Float {
    let value = Float(Int.random(in: -128..<128, using: &generator)) / 4
    switch type {
    case .f32:
      store(UInt16(value.bitPattern & 0xFFFF), &bytes, 2 * index)
      store(UInt16(value.bitPattern >> 16), &bytes, 2 * index + 1)
    case .bf16: store(UInt16(value.bitPattern >> 16), &bytes, index)
    default:
      // Rebias the exponent from 127 to 15; the fraction loses only zeros.
      let sign = UInt16(value.bitPattern >> 16) & 0x8000
      let magnitude = value.bitPattern & 0x7FFF_FFFF
      store(
        value == 0 ? 0 : sign | UInt16(truncatingIfNeeded: (magnitude - (112 << 23)) >> 13),
        &bytes, index)
    }
    return value
  }

  private static func store(_ word: UInt16, _ bytes: inout [UInt8], _ index: Int) {
    bytes[2 * index] = UInt8(word & 255)
    bytes[2 * index + 1] = UInt8(word >> 8)
  }
}
