import Testing
import VARCheckpoint
import VARTestSupport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

@Suite struct MalformedTests {
  private func code(_ body: () throws -> Void) -> CheckpointError.Code? {
    do {
      try body()
      return nil
    } catch {
      return (error as? CheckpointError)?.code
    }
  }

  private func codeOfSingleFile(_ bytes: [UInt8]) -> CheckpointError.Code? {
    let directory = TemporaryDirectory()
    directory.write("model.safetensors", bytes)
    return code { _ = try Checkpoint(path: directory.path) }
  }

  private static let valid = #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#

  @Test func theValidFileOpens() {
    #expect(codeOfSingleFile(safetensors(Self.valid, dataByteCount: 8)) == nil)
  }

  @Test(arguments: [UInt64(0), 100_000_001, 63, .max, 1 << 63])
  func headerLengthOutsideTheFile(length: UInt64) {
    let bytes = safetensors(Self.valid, dataByteCount: 8, headerLength: length)
    #expect(codeOfSingleFile(bytes) == .headerLength)
  }

  /// A header of many megabytes takes more memory than the checkpoint is worth.
  @Test func headersAreLimited() throws {
    let limit = 16 << 20
    for byteCount in [limit, limit + 1] {
      let header = Self.valid + String(repeating: " ", count: byteCount - Self.valid.utf8.count)
      let code = codeOfSingleFile(safetensors(header, dataByteCount: 8))
      #expect(code == (byteCount > limit ? .headerLength : nil))
    }
  }

  @Test func headersAreReadWithinTheMemoryThatIsGranted() throws {
    let header = Self.valid + String(repeating: " ", count: 4 << 20)
    let bytes = safetensors(header, dataByteCount: 8)
    #expect(HeaderMemory.within(64 << 20) { codeOfSingleFile(bytes) } == .headerOverBudget)
    #expect(HeaderMemory.within(1 << 40) { codeOfSingleFile(bytes) } == nil)
    let small = safetensors(Self.valid, dataByteCount: 8)
    #expect(HeaderMemory.within(1) { codeOfSingleFile(small) } == nil)
  }

  @Test(arguments: 0..<8) func fileShorterThanItsLength(count: Int) {
    #expect(codeOfSingleFile([UInt8](repeating: 1, count: count)) == .headerLength)
  }

  @Test(arguments: [
    (" " + valid, CheckpointError.Code.malformedJSON),
    ("[1]", .malformedJSON),
    (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"#, .malformedJSON),
    (
      #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"#
        + #""a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#, .malformedJSON
    ),
    (#"{"a":{"dtype":"F32","shape":[2]}}"#, .malformedJSON),
    (#"{"a":7}"#, .malformedJSON),
    (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0]}}"#, .malformedJSON),
    (#"{"a":{"dtype":"F8_E4M3","shape":[7],"data_offsets":[0,8]}}"#, .invalidOffsets),
    (#"{"a":{"dtype":"F64","shape":[8],"data_offsets":[0,8]}}"#, .invalidOffsets),
    (#"{"a":{"dtype":"F4","shape":[16],"data_offsets":[0,9]}}"#, .invalidOffsets),
    (#"{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}"#, .invalidShape),
    (#"{"a":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}}"#, .invalidShape),
    (
      #"{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}}"#,
      .invalidShape
    ),
    (
      #"{"a":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,2],"data_offsets":[0,8]}}"#, .invalidShape
    ),
    (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#, .invalidOffsets),
    (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[-8,0]}}"#, .invalidOffsets),
    (#"{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}"#, .invalidOffsets),
    (#"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#, .invalidOffsets),
    (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,9223372036854775808]}}"#, .invalidOffsets),
    (
      #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"#
        + #""b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#, .overlap
    ),
    (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#, .hole),
    (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, .hole),
  ])
  func faultyHeaders(header: String, expected: CheckpointError.Code) {
    #expect(codeOfSingleFile(safetensors(header, dataByteCount: 8)) == expected)
  }

  @Test func everyTruncationIsRefused() {
    let bytes = safetensors(Self.valid, dataByteCount: 8)
    for count in 0..<bytes.count {
      #expect(codeOfSingleFile(Array(bytes[..<count])) != nil, "prefix of \(count) bytes")
    }
  }

  @Test(arguments: [
    (#"{"weight_map":{"a":"../1.safetensors"}}"#, CheckpointError.Code.unsafeShardName),
    (#"{"weight_map":{"a":"/etc/passwd"}}"#, .unsafeShardName),
    (#"{"weight_map":{"a":".."}}"#, .unsafeShardName),
    (#"{"weight_map":{"a":""}}"#, .unsafeShardName),
    (#"{"weight_map":{"a":"1.safetensors\u0000"}}"#, .unsafeShardName),
    (#"{"weight_map":{"a":1}}"#, .malformedJSON),
    (#"{"weight_map":[]}"#, .malformedJSON),
    (#"{"weight_map":{"a":"1.safetensors","b":"absent"}}"#, .missingFile),
    (#"{"weight_map":{"a":"1.safetensors","b":"2.safetensors"}}"#, .duplicateTensor),
    (#"{"weight_map":{"a":"1.safetensors","b":"1.safetensors"}}"#, .missingTensor),
    (#"{"weight_map":{"b":"1.safetensors"}}"#, .missingTensor),
  ])
  func faultyIndexes(index: String, expected: CheckpointError.Code) {
    let directory = TemporaryDirectory()
    let both = #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"#
    let second = #""b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#
    directory.write("1.safetensors", safetensors(Self.valid, dataByteCount: 8))
    directory.write("2.safetensors", safetensors(both + second, dataByteCount: 8))
    directory.write("model.safetensors.index.json", index)
    #expect(code { _ = try Checkpoint(path: directory.path) } == expected)
  }

  @Test func placesThatHoldNoCheckpoint() {
    let directory = TemporaryDirectory()
    #expect(code { _ = try Checkpoint(path: directory.path) } == .missingFile)
    #expect(code { _ = try Checkpoint(path: directory.path + "/absent") } == .missingFile)
    directory.write("model.pth", "PK")
    let path = directory.path + "/model.pth"
    #expect(code { _ = try Checkpoint(path: path) } == .unsupportedFormat)
    mkfifo(directory.path + "/model.safetensors", 0o600)
    #expect(code { _ = try Checkpoint(path: directory.path) } == .unreadable)
  }

  @Test func errorsNameFileTensorAndRemedy() throws {
    let directory = TemporaryDirectory()
    let bytes = safetensors(Self.valid, dataByteCount: 7)
    directory.write("model.safetensors", bytes)
    #expect {
      try Checkpoint(path: directory.path)
    } throws: { error in
      "\(error)"
        == "\(directory.path)/model.safetensors: tensor \"a\": offsets 0...8 are reversed or pass "
        + "the data's 7 bytes; the file is cut short, copy it again"
    }
  }
}
