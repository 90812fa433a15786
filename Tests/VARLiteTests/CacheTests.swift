import Testing
import VARJSON
import VARKernels
import VARLite
import VARModels
import VARTestSupport

/// Types and sizes of cached keys and values.
@Suite struct CacheTests {
  @Test(arguments: [("f32", KVType.f32), ("balanced", .int8), ("int8", .int8), ("int4", .int8)])
  func theFileDecidesTheType(recipe: String, type: VARModels.KVType) throws {
    let path = try TinyModel.path(recipe: recipe)
    #expect(try Model(path: path).kvType == type)
    for asked in KVType.allCases {
      #expect(try Model(path: path, options: .init(kvType: asked)).kvType == asked)
    }
  }

  /// The last scale has a place in one layer alone: 1504 of 2521 positions are kept in every layer at 512 px.
  @Test(arguments: [(7, 272, 256), (10, 1504, 1024), (13, 6432, 4096)])
  func nothingOfTheLastScaleIsStored(scaleCount: Int, stored: Int, tail: Int) throws {
    let configuration = try VARGPTConfiguration(
      config: JSONValue(parsing: ReleasedConfiguration.text))
    let schedule = AspectTemplate.nearest(heightOverWidth: 1).schedule(scaleCount: scaleCount)
    var plan = MemoryPlan()
    _ = ScaleTransformerState.reserve(
      &plan, configuration.generator, hiddenSize: configuration.languageModel.hiddenSize,
      capacity: .init(schedule: schedule, textLengths: [48, 48]),
      kv: (.int8, configuration.generator.depth))
    // 16 heads of 128 codes and a scale, for a key and for a value.
    let generatorToken = 2 * 16 * (128 + 4)
    #expect(bytes(plan, "generator.kv") == 2 * generatorToken * (32 * stored + tail))
    #expect(bytes(plan, "generator.text_kv") == 2 * generatorToken * 32 * 48)

    plan = MemoryPlan()
    _ = LanguageSession.reserve(
      &plan, configuration.languageModel,
      capacity: LanguageSession.Capacity(context: 48, drawing: DrawingRoom(schedule), rows: 48),
      kvType: .int8)
    let token = 2 * 4 * (128 + 4)
    let positions = stored + 48 + tail
    #expect(bytes(plan, "llm.kv") == token * (28 * (stored + 48) + tail) + positions * 128 * 4)
  }

  private func bytes(_ plan: MemoryPlan, _ prefix: String) -> Int {
    plan.buffers.reduce(0) { $0 + ($1.name.hasPrefix(prefix) ? $1.byteCount : 0) }
  }
}
