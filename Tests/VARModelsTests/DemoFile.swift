import VARModels
import VARTestSupport
import VQ4Format

/// The demo model in every layout, and a walk over the weights of its phases.
enum DemoFile {
  static let path = Fixtures.path("../../Sources/CVARDemoModel/Resources/shapes.vq4")

  /// A copy in a layout, in `folder`.
  static func copy(_ layout: VQ4StorageLayout, in folder: TemporaryDirectory) throws -> String {
    let copy = folder.file("\(layout).vq4")
    try VQ4File(path: path).repack(to: copy, layout: layout, overwrite: true)
    return copy
  }

  static func tensors(_ file: VQ4File) throws -> [TensorSpecification] {
    try VARGPTConfiguration(config: file.jsonAttachment("configuration")).tensors
  }

  /// The blocks of the demo model, or of a copy of it.
  ///
  /// - Parameter slabCodeBytes: small ones give the demo model's head many slabs.
  static func blocks(
    _ file: VQ4File, slabCodeBytes: Int = WeightBlocks.defaultSlabCodeBytes
  ) throws -> WeightBlocks {
    WeightBlocks(file, tensors: try tensors(file), slabCodeBytes: slabCodeBytes)
  }

  static let phases: [WeightPhase] = [
    .vision(pictureCount: 2), .conversation(writesText: false), .conversation(writesText: true),
    .drawingContext, .drawing(scaleCount: 3), .decoding, .encoding,
  ]
}

/// Compares what a source gives with the decoded streams of the file.
struct StreamComparison {
  let file: VQ4File
  let blocks: WeightBlocks
  private let expected: [[UInt8]]

  init(_ file: VQ4File, _ blocks: WeightBlocks) throws {
    self.file = file
    self.blocks = blocks
    var expected: [[UInt8]] = []
    for tensor in file.tensors.indices {
      for role in VQ4StreamRole.allCases {
        var bytes = [UInt8](
          repeating: 0, count: file.tensors[tensor].description.byteCount(of: role))
        if !bytes.isEmpty {
          try bytes.withUnsafeMutableBytes { try file.decodeStream(tensor, role, into: $0) }
        }
        expected.append(bytes)
      }
    }
    self.expected = expected
  }

  func bytes(_ tensor: Int, _ role: VQ4StreamRole) -> [UInt8] {
    expected[tensor * VQ4StreamRole.allCases.count + Int(role.rawValue)]
  }

  /// The streams of a part that differ.
  func differences(_ source: any WeightSource, _ part: WeightPart) -> [String] {
    var differences: [String] = []
    for piece in blocks.contents(of: part) {
      let all = bytes(piece.tensor, piece.role)
      let pointer = source.stream(piece.tensor, piece.role, slab: piece.slab)
      let found = UnsafeRawBufferPointer(start: pointer, count: piece.bytes.count)
      if !found.elementsEqual(all[piece.bytes]) {
        differences.append("\(file.tensors[piece.tensor].name) \(piece.role)")
      }
    }
    return differences
  }
}
