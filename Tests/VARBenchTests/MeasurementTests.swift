import Testing
import VARBench

@Suite struct MeasurementTests {
  @Test func medianIsTheMiddle() {
    let odd = Measurement([3, 1, 9])
    #expect(odd.minimum == 1 && odd.median == 3 && odd.maximum == 9)
    #expect(Measurement([4, 1, 2, 9]).median == 3)
  }

  @Test func ratesFallWhereSecondsRise() {
    let rate = Measurement([1, 2, 4]).map { 8 / $0 }
    #expect(rate.values == [2, 4, 8])
  }

  @Test func theRunThatWarmsUpDoesNotCount() {
    var runs = 0
    let measured = Stopwatch.repeated(3) { runs += 1 }
    #expect(runs == 4 && measured.values.count == 3)
  }
}
