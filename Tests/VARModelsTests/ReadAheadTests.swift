import Testing
import VARModels
import VARTestSupport
import VQ4Format

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

@Suite struct ReadAheadTests {
  /// Computing with a group brings the next one from the disk.
  @Test func theNextGroupIsRead() throws {
    let folder = TemporaryDirectory()
    let model = try Fixtures.readFile(
      Fixtures.path("../../Sources/CVARDemoModel/Resources/shapes.vq4"))
    folder.write("model.vq4", model)
    let path = folder.file("model.vq4")
    let file = try VQ4File(path: path)
    // More than what a page that is touched brings with it.
    let group = try #require(
      file.groups.indices.dropFirst().last { file.groups[$0].fileRange.count > 1 << 20 })
    evict(path)
    guard !file.seemsResident(group: group) else {
      // A folder in memory cannot forget a file.
      return
    }
    let source = WeightStore(try DemoFile.blocks(file), .map, threadCount: 1)
    try source.acquire(.group(group - 1))
    for _ in 0..<500 where !file.seemsResident(group: group) { usleep(10_000) }
    #expect(file.seemsResident(group: group))
  }

  /// Before the first request the layers are read that it begins with, and no more than was asked for.
  @Test func theFirstLayersAreRead() throws {
    let folder = TemporaryDirectory()
    let path = try DemoFile.copy(.map, in: folder)
    let file = try VQ4File(path: path)
    let layers = file.groups.indices.filter { file.groups[$0].name.hasPrefix("llm.layers.") }
    let first = try #require(layers.first)
    evict(path)
    // A folder in memory cannot forget a file.
    guard !file.seemsResident(group: first) else { return }
    let sources = WeightSources(file, tensors: try DemoFile.tensors(file), threadCount: 1)
    sources.readFirstLayers(atMost: file.groups[first].fileRange.count + 1 << 16)
    for _ in 0..<500 where !file.seemsResident(group: first) { usleep(10_000) }
    #expect(file.seemsResident(group: first))
  }

  /// Behind the last group nothing is asked for, and its own weights can be read.
  @Test func theLastGroupHasNone() throws {
    let file = try VQ4File(
      path: Fixtures.path("../../Sources/CVARDemoModel/Resources/shapes.vq4"))
    let source = WeightStore(try DemoFile.blocks(file), .map, threadCount: 1)
    let last = file.groups.count - 1
    try source.acquire(.group(last))
    let tensor = try #require(file.tensors.indices.last { file.tensors[$0].group == last })
    #expect(file.rawStream(tensor, .codes)?.baseAddress == source.stream(tensor, .codes))
  }

  /// Writes a file's pages to the disk and has the page cache forget them.
  private func evict(_ path: String) {
    let descriptor = open(path, O_RDONLY)
    defer { close(descriptor) }
    fsync(descriptor)
    posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED)
  }
}
