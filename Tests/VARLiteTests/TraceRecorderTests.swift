import Testing
import VARLite
import VARSystem
import VARTestSupport

/// Traces on the disk and in memory are the same files.
@Suite struct TraceRecorderTests {
  private func fill(_ recorder: TraceRecorder) {
    recorder.record("a", shape: [3], integers: [1, -2, 3])
    recorder.record("bytes", shape: [2, 2], bytes: [9, 8, 7, 6])
    recorder.begin("rows", shape: [100, 2])
    for row in [2, 0, 1] {
      [Float(row), Float(row) + 0.5].withUnsafeBufferPointer {
        recorder.put("rows", at: 2 * row, $0)
      }
    }
    recorder.cut("rows", rows: 3)
    recorder.begin("nothing", shape: [5, 2])
    recorder.cut("nothing", rows: 0)
    for value in [Float(1), 2] { recorder.record("replaced", shape: [1, 1], floats: [value]) }
    recorder.begin("hole", shape: [300_000])
  }

  private func bytes(_ recorder: TraceRecorder) throws -> [UInt8] {
    var bytes: [UInt8] = []
    let content = try recorder.safetensors()
    try content.write { piece throws(SystemError) in bytes += piece }
    #expect(bytes.count == content.byteCount)
    return bytes
  }

  @Test func aSpoolHoldsWhatMemoryHolds() throws {
    let folder = TemporaryDirectory()
    let (memory, spooled) = (
      TraceRecorder(), TraceRecorder(spool: try OpenFile.temporary(in: folder.path))
    )
    #expect(folder.names() == [])
    fill(memory)
    fill(spooled)
    let expected = try bytes(memory)
    #expect(try bytes(spooled) == expected)
    #expect(spooled.tensor("rows")?.bytes.isEmpty == true)
    folder.write("trace.safetensors", expected)
    let file = try SafetensorsFile(path: folder.file("trace.safetensors"))
    #expect(try file.shape("rows") == [3, 2])
    #expect(try file.floats("rows") == [0, 0.5, 1, 1.5, 2, 2.5])
    #expect(try file.floats("replaced") == [2])
    #expect(try file.integers("a") == [1, -2, 3])
    #expect(!file.contains("nothing"))
    #expect(try file.floats("hole").allSatisfy { $0 == 0 })
  }

  @Test func aFullDiskIsTold() throws {
    let spool = try OpenFile("/dev/full", .updating)
    let recorder = TraceRecorder(spool: spool)
    recorder.record("a", shape: [3], integers: [1, -2, 3])
    #expect(throws: SystemError.self) { try recorder.safetensors() }
  }
}
