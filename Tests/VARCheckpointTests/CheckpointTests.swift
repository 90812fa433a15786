import Testing
import VARCheckpoint
import VARTestSupport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

private let tinyPath =
  #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(2)
  .joined(separator: "/") + "/Fixtures/tiny"

@Suite struct CheckpointTests {
  @Test func readsTheShardedReference() throws {
    let checkpoint = try Checkpoint(path: tinyPath)
    #expect(checkpoint.shardNames.count == 3)
    #expect(checkpoint.tensors.count == 453)
    #expect(checkpoint.tensors.map(\.name) == checkpoint.tensors.map(\.name).sorted())
    let embedding = try #require(checkpoint["model.embed_tokens.weight"])
    #expect(embedding.shape == [832, 128])
    #expect(embedding.elementType == .bf16)
    let norm = try #require(checkpoint["model.norm.weight"]).floats()
    #expect(norm.count == 128)
    #expect(norm.allSatisfy { $0.isFinite && $0 != 0 })
    #expect(checkpoint["model.absent"] == nil)
    #expect(try checkpoint.configuration()["hidden_size"]?.integerValue == 128)
    #expect(try checkpoint.chatTemplate()?.contains("<|im_start|>") == true)
    #expect(try checkpoint.bytes(ofFile: "absent.json") == nil)
    #expect(try checkpoint.licence() == nil)
  }

  @Test func convertsEveryFloatType() throws {
    let directory = TemporaryDirectory()
    let header =
      #"{"b":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]},"#
      + #""h":{"dtype":"F16","shape":[2,3],"data_offsets":[4,16]},"#
      + #""f":{"dtype":"F32","shape":[1],"data_offsets":[16,20]},"#
      + #""i":{"dtype":"I64","shape":[1],"data_offsets":[20,28]},"#
      + #""__metadata__":{"format":"pt"}}"#
    var bytes = safetensors(header, dataByteCount: 0)
    let halves: [UInt16] = [0x3FC0, 0xC000, 0x3C00, 0xC000, 0x0001, 0x7BFF, 0xFC00, 0x8000]
    for half in halves { bytes += withUnsafeBytes(of: half.littleEndian) { Array($0) } }
    bytes += withUnsafeBytes(of: Float(0.1).bitPattern.littleEndian) { Array($0) }
    bytes += [UInt8](repeating: 0, count: 8)
    directory.write("model.safetensors", bytes)

    let checkpoint = try Checkpoint(path: directory.path)
    #expect(try checkpoint["b"]?.floats() == [1.5, -2])
    let values = try #require(checkpoint["h"]).floats()
    #expect(values == [1, -2, 0x1p-24, 65504, -.infinity, 0])
    #expect(values[5].sign == .minus)
    #expect(try checkpoint["f"]?.floats() == [0.1])
    #expect(checkpoint["i"]?.elementType == .i64)
    var row = [Float](repeating: 0, count: 2)
    try row.withUnsafeMutableBufferPointer { try checkpoint["h"]!.read(from: 1, into: $0) }
    #expect(row == [-2, 0x1p-24])
  }

  @Test func everyHalfConvertsExactly() throws {
    let directory = TemporaryDirectory()
    let header = #"{"h":{"dtype":"F16","shape":[65536],"data_offsets":[0,131072]}}"#
    var bytes = safetensors(header, dataByteCount: 0)
    for half in 0...UInt16.max { bytes += [UInt8(half & 0xFF), UInt8(half >> 8)] }
    directory.write("model.safetensors", bytes)
    let values = try Checkpoint(path: "\(directory.path)/model.safetensors")["h"]!.floats()
    for half in 0..<65536 {
      // Sign, exponent and fraction by the definition of binary16.
      let exponent = half >> 10 & 0x1F
      let fraction = half & 0x3FF
      let sign: Double = half >= 0x8000 ? -1 : 1
      switch exponent {
      case 31 where fraction != 0: #expect(values[half].isNaN)
      case 31: #expect(values[half] == Float(sign * .infinity))
      case 0: #expect(values[half] == Float(sign * Double(fraction) * 0x1p-24))
      default:
        let power = Double(sign: .plus, exponent: exponent - 25, significand: 1)
        #expect(values[half] == Float(sign * Double(1024 + fraction) * power))
      }
    }
  }

  @Test func followsLinkedShards() throws {
    let blobs = TemporaryDirectory()
    let snapshot = TemporaryDirectory()
    blobs.write(
      "0a1b",
      safetensors(#"{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, dataByteCount: 4))
    #expect(symlink("\(blobs.path)/0a1b", "\(snapshot.path)/model-1.safetensors") == 0)
    snapshot.write(
      "model.safetensors.index.json", #"{"weight_map":{"x":"model-1.safetensors"}}"#)
    #expect(try Checkpoint(path: snapshot.path)["x"]?.shape == [1])
  }

  @Test func shardPiecesCoverTheFile() throws {
    let directory = TemporaryDirectory()
    let bytes = safetensors(
      #"{"x":{"dtype":"F32","shape":[3000000],"data_offsets":[0,12000000]}}"#,
      dataByteCount: 12_000_000)
    directory.write("model.safetensors", bytes)
    let shard = try #require(Checkpoint(path: directory.path).shards.first)
    var seen = try shard.header()
    for tensor in shard.tensors {
      // In two parts, as a large tensor is read.
      var part = [UInt8](repeating: 0, count: tensor.byteCount)
      let middle = part.count / 3
      try part.withUnsafeMutableBytes {
        try tensor.readBytes(from: 0, into: .init(rebasing: $0[..<middle]))
        try tensor.readBytes(from: middle, into: .init(rebasing: $0[middle...]))
      }
      seen += part
    }
    #expect(shard.byteCount == bytes.count)
    #expect(seen == bytes)
  }
}
