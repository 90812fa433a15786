import Testing
import VARTestSupport

@Suite struct SafetensorsFileTests {
  @Test func readsGoldenShapesAndElements() throws {
    let file = try SafetensorsFile(fixture: "golden/preprocess.safetensors")
    #expect(file.names.count == 18)
    #expect(try file.integers("a.grid_thw") == [1, 4, 6])
    #expect(try file.shape("a.pixel_values") == [24, 1176])
    #expect(try file.floats("a.pixel_values").count == 24 * 1176)
    #expect(throws: FixtureError.self) { try file.floats("a.grid_thw") }
    #expect(throws: FixtureError.self) { try file.shape("nothing") }
  }

  @Test func readsWhatItWrote() throws {
    let directory = TemporaryDirectory()
    let tensors = [
      SafetensorsFile.Tensor("a", shape: [2, 2], [1, -2, .infinity, 0x1p-140]),
      SafetensorsFile.Tensor("b.weight", shape: [3], [4, 5, 6]),
    ]
    try SafetensorsFile.write(tensors, to: directory.file("a.safetensors"))
    let file = try SafetensorsFile(path: directory.file("a.safetensors"))
    #expect(file.names == ["a", "b.weight"])
    #expect(try file.shape("a") == [2, 2])
    #expect(try file.floats("a") == [1, -2, .infinity, 0x1p-140])
    #expect(try file.floats("b.weight") == [4, 5, 6])
    #expect(throws: FixtureError.self) {
      try SafetensorsFile.write(tensors, to: directory.file("nothing/a.safetensors"))
    }
  }

  @Test func largestDifferenceNamesTheElement() {
    #expect(largestDifference([1, 2, 3], [1, 2.5, 3]).index == 1)
    #expect(largestDifference([1], [1, 2]).value == .infinity)
    #expect(largestDifference([.nan], [0]).value == .infinity)
    #expect(largestDifference([1, 2], [1, 2]).value == 0)
  }
}
