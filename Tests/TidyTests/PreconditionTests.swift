import Testing

/// The targets that read files throw for everything that a file can hold. What stays a precondition is a rule for the
/// code that calls, which no file can break; each file that has some says why.
@Suite struct PreconditionTests {
  private static let readers = [
    "VQ4Format", "VARCheckpoint", "VARTokenizer", "VARVision", "VARJSON", "VAREvaluation",
  ]

  private static let names = ["precondition(", "preconditionFailure("]

  /// Number of preconditions of a file, and what makes sure that they hold.
  private static let allowed: [String: (count: Int, reason: String)] = [
    "VQ4Format/AlignedBuffer.swift": (
      1, "buffers are made for the largest part that is asked of them"
    ),
    "VQ4Format/BytePlanes.swift": (
      2, "reading the tables refuses an odd chunk of planes; elements written have 2 bytes"
    ),
    "VQ4Format/ByteCoding.swift": (
      3, "records have a constant size; the tables hold whole records"
    ),
    "VQ4Format/StreamWriter.swift": (2, "the converter's pipeline cuts chunks as the stream says"),
    "VQ4Format/VQ4ChunkReader.swift": (
      3, "sizes come from stagingBytes and the description of the stream"
    ),
    "VQ4Format/VQ4File+Streams.swift": (
      3, "indices and sizes come from chunkCount, chunkRange and the description"
    ),
    "VQ4Format/VQ4Writer.swift": (7, "the order of calls is in the caller's code"),
    "VQ4Format/VQ4Writer+Resuming.swift": (3, "the order of calls is in the caller's code"),
    "VQ4Format/VQ4Writer+Unpublished.swift": (1, "the order of calls is in the caller's code"),
    "VARCheckpoint/Adapters/Adapter.swift": (1, "options are checked where they are read"),
    "VARCheckpoint/CheckpointElementType.swift": (
      1, "the plan of a conversion refuses tensors that are no floats"
    ),
    "VARCheckpoint/DirectShards.swift": (2, "who reads rows knows the tensor's shape"),
    "VARCheckpoint/CheckpointTensor.swift": (
      3, "ranges come from the shape that was checked against the file"
    ),
    "VARVision/BicubicResize.swift": (1, "sizes come from the configuration, which was checked"),
    "VARVision/ImagePatches.swift": (1, "stored patches are checked against the model"),
    "VARVision/ImagePreprocessing.swift": (1, "a budget of tokens comes from a plan"),
    "VARVision/PeakSignalToNoise.swift": (2, "who compares pictures checks their extents"),
    "VARVision/RGBImage.swift": (
      4, "decoders refuse a picture without pixels; extents are the caller's"
    ),
    "VARVision/StructuralSimilarity.swift": (1, "who compares pictures checks their extents"),
    "VARVision/SmartResize.swift": (1, "decoders refuse a picture without pixels"),
    "VARJSON/JSONWriter.swift": (
      1, "the parser refuses numbers that are not finite; figures are checked before"
    ),
    "VAREvaluation/SceneJudge.swift": (1, "the set's reader checks every colour name"),
  ]

  @Test func readersThrow() {
    var found: [String: Int] = [:]
    for target in Self.readers {
      for file in SourceTree.files(below: "Sources/\(target)") where file.isSwift {
        let count = file.code.reduce(0) { count, line in
          count + Self.names.count { BannedTests.calls($0, in: line.text) }
        }
        if count > 0 { found[String(file.path.dropFirst("Sources/".count))] = count }
      }
    }
    for (path, count) in found.sorted(by: { $0.key < $1.key }) {
      let known = Self.allowed[path]?.count ?? 0
      #expect(count <= known, "\(path): \(count) preconditions, \(known) of them explained")
    }
    for (path, allowed) in Self.allowed {
      #expect(found[path] == allowed.count, "\(path): fewer preconditions than explained")
    }
  }
}
