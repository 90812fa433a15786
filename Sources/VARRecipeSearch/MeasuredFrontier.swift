import VARModels

/// The recipes that are worth their bytes, by all that was measured of weights and groups.
struct MeasuredFrontier {
  let specifications: [TensorSpecification]
  let weights: [MeasuredWeight]
  let errors: ErrorModel
  let recipes: RecipeFrontier
  /// What the groups add up to in `int4` and what it was found to have.
  let int4: (expected: (klPerBit: Double, klPerToken: Double), found: OutputChange)

  /// nil where something is missing in the state.
  init?(
    _ specifications: [TensorSpecification], _ groups: [ProbeGroup], _ state: SearchState
  ) throws {
    let weights = specifications.compactMap { state.weights[$0.name] }
    guard weights.count == specifications.count,
      let cache = state.probes[ProbeRuns.cacheKey], let found = state.probes[ProbeRuns.int4Key]
    else { return nil }
    guard let measured = Self.measured(groups, state, cache) else { return nil }
    self.specifications = specifications
    self.weights = weights
    errors = ErrorModel(specifications, weights, measured, cache: cache, unit: found)
    recipes = RecipeFrontier(weights, errors)
    // As it was probed: where groups are in int4 to the nearest, so is the recipe.
    var expected = (klPerBit: cache.klPerBit, klPerToken: cache.klPerToken)
    for (group, int4, int8) in measured {
      let isProjector = group.weights.contains { name in
        specifications.contains { $0.name == name && $0.component == .projector }
      }
      let isFloat = group.weights.contains { Self.floats.contains($0) }
      guard !isFloat else { continue }
      expected.klPerBit += isProjector ? int8.klPerBit : int4.klPerBit
      expected.klPerToken += isProjector ? int8.klPerToken : int4.klPerToken
    }
    self.int4 = (expected, found)
  }

  private typealias Measured = (group: ProbeGroup, int4: OutputChange, int8: OutputChange)

  private static func measured(
    _ groups: [ProbeGroup], _ state: SearchState, _ cache: OutputChange
  ) -> [Measured]? {
    var found: [Measured] = []
    for group in groups {
      guard let int4 = state.probes[ProbeRuns.key(group, .int4)] else { return nil }
      if let int8 = state.probes[ProbeRuns.key(group, .int8)] {
        found.append((group, int4, int8))
        continue
      }
      guard state.probes[ProbeRuns.int8Key] != nil else { return nil }
      // What rounding to int8 costs, by its errors.
      let errors = group.weights.compactMap { state.weights[$0]?.probeErrors }
      let sums = (errors.reduce(0) { $0 + $1[0] }, errors.reduce(0) { $0 + $1[1] })
      let share = sums.0 > 0 ? sums.1 / sums.0 : 0
      var int8 = OutputChange()
      int8.klPerBit = int4.klPerBit * share
      int8.klPerToken = int4.klPerToken * share
      found.append((group, int4, int8))
    }
    guard let whole = state.probes[ProbeRuns.int8Key] else { return found }
    // What is left of a model in int8 is that of its activations: as it is shared out, groups that cost more in int4
    // have more of it.
    let sums = found.reduce(into: (OutputChange(), OutputChange())) {
      $0.0.klPerBit += $1.int4.klPerBit
      $0.0.klPerToken += $1.int4.klPerToken
      $0.1.klPerBit += $1.int8.klPerBit
      $0.1.klPerToken += $1.int8.klPerToken
    }
    let rest = (
      bits: max(0, whole.klPerBit - cache.klPerBit - sums.1.klPerBit),
      tokens: max(0, whole.klPerToken - cache.klPerToken - sums.1.klPerToken)
    )
    for index in found.indices {
      let int4 = found[index].int4
      if sums.0.klPerBit > 0 {
        found[index].int8.klPerBit += rest.bits * int4.klPerBit / sums.0.klPerBit
      }
      if sums.0.klPerToken > 0 {
        found[index].int8.klPerToken += rest.tokens * int4.klPerToken / sums.0.klPerToken
      }
    }
    return found
  }

  /// What `int4` keeps in f16.
  private static let floats: Set<String> = [
    "vargpt_gen.head.weight", "vargpt_gen.word_embed.weight",
  ]

  /// The recipe of the frontier at a share of the way from the smallest bytes to the largest.
  func choice(atShare share: Double) -> [Int] {
    func byteCount(_ choice: [Int]) -> Int {
      zip(weights, choice).reduce(0) { $0 + $1.0.choices[$1.1].byteCount }
    }
    let (least, most) = (
      byteCount(recipes.choice(0)), byteCount(recipes.choice(recipes.count - 1))
    )
    let limit = least + Int(Double(most - least) * share)
    return recipes.best(within: limit, size: byteCount) ?? recipes.choice(0)
  }

  func storages(atShare share: Double) -> [String: Storage] {
    storages(choice(atShare: share))
  }

  func storages(_ choice: [Int]) -> [String: Storage] {
    Dictionary(
      uniqueKeysWithValues: zip(weights, choice).map { ($0.name, $0.choices[$1].storage) })
  }
}
