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
}
