import Testing
import VARKernels

/// How work is cut for threads.
@Suite struct ChunkScheduleTests {
  @Test(arguments: [1, 2, 3, 4, 7, 64, 256])
  func chunksFollowEachOtherFromStartToEnd(parts: Int) {
    for count in Array(1...40) + [63, 64, 65, 255, 1184, 5000, 1 << 32] {
      for grain in [1, 2, 4] {
        for smallest in [1, 3, 100] {
          let schedule = ChunkSchedule(
            count: count, parts: parts, smallest: smallest, grain: grain)
          var end = 0
          for chunk in 0..<schedule.chunkCount {
            let range = schedule.range(chunk)
            #expect(range.lowerBound == end && (range.lowerBound % grain == 0 || range.isEmpty))
            end = range.upperBound
          }
          #expect(end == count, "\(count) in \(parts) parts of \(smallest) and grain \(grain)")
        }
      }
    }
  }

  @Test func sizesHalveDownToTheSmallest() {
    let schedule = ChunkSchedule(count: 1024, parts: 2, smallest: 64, grain: 1)
    let sizes = (0..<schedule.chunkCount).map { schedule.range($0).count }
    #expect(sizes == [256, 256, 128, 128, 64, 64, 64, 64])
  }

  @Test func littleWorkIsCutOncePerThread() {
    let schedule = ChunkSchedule(count: 100, parts: 4, smallest: 25, grain: 1)
    #expect(
      (0..<schedule.chunkCount).map { schedule.range($0) } == [0..<25, 25..<50, 50..<75, 75..<100])
  }
}
