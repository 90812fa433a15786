import VARJSON
import VARModels

/// A drawing without its bits, as saved drawings and pictures tell of it.
extension DrawingState {
  package var json: JSONObject {
    var object = JSONObject([
      ("model", .string(model)), ("prompt", .string(promptHash)), ("seed", .string(String(seed))),
      ("cfg_scale", .number(cfgScale)), ("tau", .number(tau)), ("top_p", .number(topP)),
      ("greedy", .bool(isGreedy)), ("kv", .string(kvType.rawValue)),
      ("scales", .array(schedule.scales.map(Self.json))),
      ("rope_reference", Self.json(schedule.ropeReference)),
      ("answer", .array(answerTokens.map { .integer(Int($0)) })),
    ])
    if guidedScaleCount < schedule.scales.count {
      object["guided_scales"] = .integer(guidedScaleCount)
    }
    if denseScaleCount < schedule.scales.count {
      object["dense_scales"] = .integer(denseScaleCount)
    }
    if !coarseSeeds.isEmpty {
      object["coarse_seeds"] = .array(
        coarseSeeds.map { .array([.integer($0.scaleCount), .string(String($0.seed))]) })
    }
    if startsAtOnce { object["at_once"] = .bool(true) }
    if !pictureHashes.isEmpty { object["pictures"] = .array(pictureHashes.map { .string($0) }) }
    return object
  }

  /// A drawing that has no bits yet; nil for anything else than a drawing.
  init?(json: JSONValue) {
    let scales = json["scales"]?.arrayValue?.compactMap(Self.grid) ?? []
    func leadingScales(_ key: String) -> Int {
      json[key].map { $0.integerValue ?? 0 } ?? scales.count
    }
    let (guided, dense) = (leadingScales("guided_scales"), leadingScales("dense_scales"))
    guard let model = json["model"]?.stringValue, let prompt = json["prompt"]?.stringValue,
      !scales.isEmpty, scales.count == json["scales"]?.arrayValue?.count,
      let reference = json["rope_reference"].flatMap(Self.grid),
      let kvType = json["kv"]?.stringValue.flatMap({ KVType(rawValue: $0) }),
      let cfgScale = json["cfg_scale"]?.doubleValue, let tau = json["tau"]?.doubleValue,
      let topP = json["top_p"]?.doubleValue, let isGreedy = json["greedy"]?.boolValue,
      let seed = json["seed"].flatMap(Self.seed), let answer = json["answer"]?.integers,
      answer.allSatisfy({ Int32(exactly: $0) != nil }),
      (1...scales.count).contains(guided), (1...scales.count).contains(dense),
      let coarse = Self.coarseSeeds(json["coarse_seeds"], upTo: scales.count),
      let startsAtOnce = json["at_once"].map(\.boolValue) ?? false,
      let pictures = json["pictures"].map(\.strings) ?? []
    else { return nil }
    self.init(
      model: model, promptHash: prompt, pictureHashes: pictures, kvType: kvType,
      schedule: ScaleSchedule(scales: scales, ropeReference: reference), cfgScale: cfgScale,
      tau: tau, topP: topP, isGreedy: isGreedy, guidedScaleCount: guided, denseScaleCount: dense,
      seed: seed, coarseSeeds: coarse, startsAtOnce: startsAtOnce,
      answerTokens: answer.map { Int32($0) }, bits: [])
  }

  private static func json(_ grid: GridSize) -> JSONValue {
    .array([.integer(grid.height), .integer(grid.width)])
  }

  private static func grid(_ value: JSONValue) -> GridSize? {
    guard let sides = value.integers, sides.count == 2,
      sides.allSatisfy({ (1...4096).contains($0) })
    else { return nil }
    return GridSize(height: sides[0], width: sides[1])
  }

  private static func seed(_ value: JSONValue) -> UInt64? {
    value.stringValue.flatMap { UInt64($0) }
  }

  /// Entries of rising numbers of scales; none where there is no value.
  private static func coarseSeeds(_ value: JSONValue?, upTo count: Int) -> [CoarseSeed]? {
    guard let value else { return [] }
    guard let entries = value.arrayValue else { return nil }
    var seeds: [CoarseSeed] = []
    for entry in entries {
      guard let pair = entry.arrayValue, pair.count == 2, let scaleCount = pair[0].integerValue,
        let seed = seed(pair[1]), scaleCount > seeds.last?.scaleCount ?? 0, scaleCount <= count
      else { return nil }
      seeds.append(CoarseSeed(scaleCount: scaleCount, seed: seed))
    }
    return seeds
  }
}

extension JSONValue {
  /// The elements of a list of whole numbers; nil for anything else.
  var integers: [Int]? {
    guard let values = arrayValue else { return nil }
    let integers = values.compactMap(\.integerValue)
    return integers.count == values.count ? integers : nil
  }

  /// The elements of a list of texts; nil for anything else.
  var strings: [String]? {
    guard let values = arrayValue else { return nil }
    let strings = values.compactMap(\.stringValue)
    return strings.count == values.count ? strings : nil
  }
}
