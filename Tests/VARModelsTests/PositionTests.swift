import Testing
import VARJSON
import VARModels
import VARTestSupport

/// M-RoPE positions against the reference.
@Suite struct PositionTests {
  @Test(arguments: ["text", "one_image", "two_images"])
  func promptPositionsMatchTheReference(id: String) throws {
    let golden = try SafetensorsFile(fixture: "golden/mrope.safetensors")
    let config = try JSONValue(parsing: try Fixtures.bytes("tiny/config.json"))
    let configuration = try VARGPTConfiguration(config: config)
    let ids = try golden.integers("\(id).input_ids")
    var grids: [GridSize] = []
    if golden.contains("\(id).grid_thw") {
      let values = try golden.integers("\(id).grid_thw")
      for index in stride(from: 0, to: values.count, by: 3) {
        grids.append(GridSize(height: values[index + 1] / 2, width: values[index + 2] / 2))
      }
    }
    var positions = Qwen2Positions()
    positions.append(
      ids: ids.map { Int32($0) }, grids: grids, tokens: configuration.specialTokens)
    let all = positions.positions
    let flat = all.map(\.temporal) + all.map(\.height) + all.map(\.width)
    #expect(try flat == golden.integers("\(id).position_ids"))
    #expect(try [positions.ropeDelta] == golden.integers("\(id).delta"))
  }

  @Test(arguments: [
    ([1, 1, 2], [10, 20, 30, 30]), ([0, 1, 3], [20, 30, 30, 30]), ([0, 0, 4], [30, 30, 30, 30]),
    ([0, 4, 0], [20, 20, 20, 20]), ([2, 0, 2], [10, 10, 30, 30]), ([4, 0, 0], [10, 10, 10, 10]),
  ])
  func emptySectionsLeaveTheirPositionOut(sections: [Int], turns: [Int]) {
    let position = Qwen2Positions.Position(temporal: 10, height: 20, width: 30)
    #expect((0..<4).map { position.turning(frequency: $0, sections: sections) } == turns)
  }

  @Test func aConfigurationMayLeaveASectionEmpty() throws {
    var text = String(decoding: try Fixtures.bytes("tiny/config.json"), as: UTF8.self)
    let start = try #require(text.firstRange(of: "\"mrope_section\": [")).upperBound
    let end = try #require(text[start...].firstIndex(of: "]"))
    text.replaceSubrange(start..<end, with: "0, 2, 14")
    let configuration = try VARGPTConfiguration(config: JSONValue(parsing: Array(text.utf8)))
    #expect(configuration.languageModel.mropeSection == [0, 2, 14])
    #expect(try VARGPTConfiguration(config: configuration.json) == configuration)
  }
}
