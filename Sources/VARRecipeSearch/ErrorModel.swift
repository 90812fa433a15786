import VARModels

/// What each way to store each weight is expected to cost.
///
/// The divergence grows with the square of what rounding adds to the outputs, so that small ones add up. Each group of
/// weights was measured twice, in int4 and in int8. Two shares explain both figures: one grows with the squared errors
/// of the group's outputs, the other is that of activations in int8, which every integer weight has.
struct ErrorModel {
  /// Expected divergence of each weight in each of its ways, of a bit and of a token.
  private let bits, tokens: [[Double]]
  /// Expected error of pictures, where one is the decoder in its smallest way.
  private let pictures: [[Double]]
  /// Whether a choice has a language model of integers, whose keys and values are then int8.
  private let isLanguageInteger: [[Bool]]
  /// What keys and values in int8 cost.
  private let cache: OutputChange
  /// What a model in `int4` costs: divergences are counted in it.
  private let unit: OutputChange

  /// How much the decoder in its smallest way counts beside all errors of `int4`: nobody sees them.
  private static let pictureShare = 0.005
  /// Keeps the order of ways that nothing was measured of.
  private static let leastShare = 1e-7

  /// - Parameter measured: of each group, what it costs in int4 and in int8.
  init(
    _ specifications: [TensorSpecification], _ weights: [MeasuredWeight],
    _ measured: [(group: ProbeGroup, int4: OutputChange, int8: OutputChange)],
    cache: OutputChange, unit: OutputChange
  ) {
    let places = Dictionary(uniqueKeysWithValues: weights.enumerated().map { ($1.name, $0) })
    var bits = weights.map { [Double](repeating: 0, count: $0.choices.count) }
    var tokens = bits
    for (group, int4, int8) in measured {
      let own = group.weights.compactMap { places[$0] }
      let errors = own.map { (weights[$0].probeErrors[0], weights[$0].probeErrors[1]) }
      let sums = errors.reduce(into: (0.0, 0.0)) {
        $0.0 += $1.0
        $0.1 += $1.1
      }
      let inBits = Shares(int4.klPerBit, int8.klPerBit, sums)
      let inTokens = Shares(int4.klPerToken, int8.klPerToken, sums)
      for (place, error) in zip(own, errors) {
        let part = sums.0 > 0 ? error.0 / sums.0 : 0
        for (index, choice) in weights[place].choices.enumerated() {
          let isInteger = choice.storage.precision.isInteger
          bits[place][index] = inBits.cost(choice.error, part, isInteger: isInteger)
          tokens[place][index] = inTokens.cost(choice.error, part, isInteger: isInteger)
        }
      }
    }
    (self.bits, self.tokens) = (bits, tokens)
    (self.cache, self.unit) = (cache, unit)
    isLanguageInteger = zip(specifications, weights).map { specification, weight in
      weight.choices.map { specification.component == .llm && $0.storage.precision.isInteger }
    }
    pictures = Self.pictures(specifications, weights)
  }

  private static func pictures(
    _ specifications: [TensorSpecification], _ weights: [MeasuredWeight]
  ) -> [[Double]] {
    let isDecoder = specifications.map { $0.component == .vaeDecoder }
    let smallest = zip(isDecoder, weights).reduce(0) {
      $0 + ($1.0 ? $1.1.choices[0].error : 0)
    }
    return zip(isDecoder, weights).map { isDecoder, weight in
      weight.choices.map { isDecoder && smallest > 0 ? $0.error / smallest : 0 }
    }
  }

  /// How the divergence of a group comes about.
  private struct Shares {
    /// Per squared error of outputs.
    let perError: Double
    /// Of activations in int8.
    let ofActivations: Double

    init(_ int4: Double, _ int8: Double, _ errors: (int4: Double, int8: Double)) {
      let difference = errors.int4 - errors.int8
      perError = difference > 0 ? max(0, int4 - int8) / difference : 0
      ofActivations = max(0, min(int4, int8) - perError * errors.int8)
    }

    /// - Parameter part: of the weight in its group.
    func cost(_ error: Double, _ part: Double, isInteger: Bool) -> Double {
      perError * error + (isInteger ? ofActivations * part : 0)
    }
  }

  /// What a way to store a weight adds to the objective: divergences of bits and of tokens, each in units of what
  /// `int4` has.
  func cost(_ weight: Int, _ choice: Int, _ error: Double) -> Double {
    var cost = Self.pictureShare * pictures[weight][choice] + Self.leastShare * error
    if unit.klPerBit > 0 { cost += bits[weight][choice] / unit.klPerBit }
    if unit.klPerToken > 0 { cost += tokens[weight][choice] / unit.klPerToken }
    return cost
  }

  /// The divergences that a whole recipe is expected to have.
  func expected(_ choice: [Int]) -> (klPerBit: Double, klPerToken: Double) {
    var sum = (0.0, 0.0)
    for (weight, index) in choice.enumerated() {
      sum.0 += bits[weight][index]
      sum.1 += tokens[weight][index]
    }
    if choice.indices.contains(where: { isLanguageInteger[$0][choice[$0]] }) {
      sum.0 += cache.klPerBit
      sum.1 += cache.klPerToken
    }
    return sum
  }

  /// The objective: 2 for `int4`.
  func objective(_ klPerBit: Double, _ klPerToken: Double) -> Double {
    (unit.klPerBit > 0 ? klPerBit / unit.klPerBit : 0)
      + (unit.klPerToken > 0 ? klPerToken / unit.klPerToken : 0)
  }
}

/// What sums of single groups lack beside whole recipes, by some recipes that were measured as a whole.
struct Correction {
  /// By the expected divergence, rising.
  private let bits, tokens: [(expected: Double, factor: Double)]

  init(_ measured: [(expected: (klPerBit: Double, klPerToken: Double), found: OutputChange)]) {
    func factors(_ pairs: [(Double, Double)]) -> [(expected: Double, factor: Double)] {
      pairs.filter { $0.0 > 0 && $0.1 > 0 }.map { (expected: $0.0, factor: $0.1 / $0.0) }
        .sorted { $0.expected < $1.expected }
    }
    bits = factors(measured.map { ($0.expected.klPerBit, $0.found.klPerBit) })
    tokens = factors(measured.map { ($0.expected.klPerToken, $0.found.klPerToken) })
  }

  func corrected(
    _ expected: (klPerBit: Double, klPerToken: Double)
  ) -> (klPerBit: Double, klPerToken: Double) {
    (
      expected.klPerBit * Self.factor(expected.klPerBit, bits),
      expected.klPerToken * Self.factor(expected.klPerToken, tokens)
    )
  }

  /// Between two recipes in proportion to the share of the way from one to the other, beyond them that of the nearest.
  private static func factor(
    _ expected: Double, _ known: [(expected: Double, factor: Double)]
  ) -> Double {
    guard let first = known.first, let last = known.last else { return 1 }
    if expected <= first.expected { return first.factor }
    if expected >= last.expected { return last.factor }
    for (left, right) in zip(known, known.dropFirst()) where expected <= right.expected {
      let width = right.expected - left.expected
      let share = width > 0 ? (expected - left.expected) / width : 0
      return left.factor + share * (right.factor - left.factor)
    }
    return last.factor
  }
}
