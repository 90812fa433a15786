import VARAccuracy
import VARJSON
import VARSystem
import VARTestSupport
import VARVision
import VQ4Format

extension FuzzTarget {
  /// What a reference said, under a key and of sizes that are known.
  static let reference = FuzzTarget(
    "reference",
    files: { [FuzzFile("reference.outputs", $0)] },
    read: { input in
      try FuzzFolder.with([FuzzFile("reference.outputs", input)]) { folder in
        let file = ReferenceFile(path: folder.path("reference.outputs"), key: referenceKey)
        guard
          let outputs = try file.read(
            bitCounts: referenceBits.map { $0?.map(\.count) }, referencePlaces, keptTokenCount: 2)
        else { preconditionFailure("a file that is there is nothing") }
        _ = try outputs.layers.input("a")
        var reader = OutputSpool.Reader(outputs.said)
        _ = try TopLogits(&reader, keeping: 2, of: 4)
        // What was read can be written.
        try file.write(outputs)
      }
    },
    change: { sealed($0, &$1, header: 96, contentHash: 64) })

  private static let referenceKey = VQ4Hash(high: 7, low: 5)
  private static let referenceBits: [[[UInt8]]?] = [[[1, 0], [0, 0, 1, 1]], nil]
  private static let referencePlaces = LayerPlaces([
    .init("a", input: "a", rows: 1, columns: 1), .init("b", input: "a", rows: 1, columns: 1),
  ])

  /// A small one of every part.
  static func smallReference() throws -> [UInt8] {
    let folder = TemporaryDirectory()
    let file = ReferenceFile(path: folder.file("reference.outputs"), key: referenceKey)
    var outputs = ReferenceOutputs(
      bits: referenceBits, said: try OutputSpool(folder: folder.path),
      layers: try LayerRecord(referencePlaces, folder: folder.path), keptTokenCount: 2)
    let logits: [Float] = [0, 2, 1, -1]
    try logits.withUnsafeBufferPointer {
      try TopLogits($0, keeping: 2, given: 3).append(to: outputs.said)
    }
    try outputs.layers.put(input: "a", (2, [0.5, -1]))
    outputs.outcomes = .init(
      hasDrawings: false,
      report: .object(JSONObject([("vqa_answers", .object(JSONObject([("q", .string("Yes."))])))])))
    outputs.pictures = [RGBImage(width: 1, height: 2, pixels: [0, 1, 2, 3, 4, 5])]
    try file.write(outputs)
    return try Fixtures.readFile(folder.file("reference.outputs"))
  }
}
