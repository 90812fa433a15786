import Testing
import VARModels
import VARTestSupport

/// Bits over scales.
@Suite struct BinaryQuantizerTests {
  /// A model's own schedule may have scales that grow and shrink, and larger ones than the last.
  @Test func scalesMayShrink() {
    let grids = [(1, 1), (3, 3), (2, 5), (4, 2)].map { GridSize(height: $0, width: $1) }
    let schedule = ScaleSchedule(scales: grids, ropeReference: grids[3])
    #expect(schedule.largestTokenCount == 10)
    let quantizer = BinaryQuantizer(codebookDim: 5, schedule: schedule)
    var random = SplitMix64(seed: 4)
    let features = (0..<8 * 5).map { _ in Float.random(in: -1...1, using: &random) }
    let bits = quantizer.quantize(features)
    #expect(bits.map(\.count) == [5, 45, 50, 40])
    // The last scale lies on the final grid: its bits are the signs of what the others leave.
    let others = quantizer.sum(of: Array(bits.prefix(3)))
    let expected = zip(features, others).map { UInt8($0 - $1 > 0 ? 1 : 0) }
    #expect(bits[3] == expected)
  }
}
