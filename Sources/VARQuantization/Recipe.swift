/// Which precision each weight of a model gets: an ordered list of rules, of which the first match decides.
///
/// Rules speak of weights (matrices, embedding tables, convolutions). Norms, biases and folded constants are always
/// stored in f32 and need no rule.
package struct Recipe: Sendable, Equatable {
  /// Layers counted from either end of a component.
  enum LayerSelector: Sendable, Equatable {
    case first(Int)
    case last(Int)

    func contains(_ layer: Int, of layerCount: Int) -> Bool {
      switch self {
      case .first(let count): layer < count
      case .last(let count): layer >= layerCount - count
      }
    }
  }

  struct Rule: Sendable, Equatable {
    var patterns: [NamePattern]
    /// Empty means every component.
    var components: [NamePattern]
    /// Empty means every layer, and weights outside layers too.
    var layers: [LayerSelector]
    var precision: Precision
    var groupSize: Int
    var rounding: Rounding
    var codebookRange: Int?
    var count: Int?
    var isOptional: Bool
    var maximumRelativeError: Double?
  }

  package internal(set) var name: String
  package let architecture: String
  var rules: [Rule]
  /// The relative RMS error that `check` accepts, per precision.
  var limits: [Precision: Double]
  /// The document that the recipe was read from, on one line; it goes into the file.
  package let text: String

  /// What a recipe sees of a weight.
  package struct Subject: Sendable {
    package let name: String
    package let component: String
    package let layer: Int?

    package init(name: String, component: String, layer: Int?) {
      self.name = name
      self.component = component
      self.layer = layer
    }
  }

  /// What a recipe decides about a weight.
  package struct Decision: Sendable, Equatable {
    /// Index of the deciding rule.
    package let rule: Int
    /// The rule's pattern, for tables.
    package let ruleText: String
    package let precision: Precision
    /// The wanted group; the row may force a smaller one. 0 for floats.
    package let groupSize: Int
    /// How integers are rounded where a calibration is given.
    package let rounding: Rounding
    /// Largest magnitude of the entries of an int4 codebook; nil lets the conversion choose.
    package let codebookRange: Int?

    /// How a weight of so many inputs is stored: where no allowed group divides them, f16 takes the place of integers.
    package func storage(cols: Int) -> (precision: Precision, groupSize: Int) {
      guard precision.isInteger else { return (precision, 0) }
      return precision.groupSize(wanted: groupSize, cols: cols).map { (precision, $0) } ?? (.f16, 0)
    }
  }

  /// The relative RMS error that `check` accepts for a weight decided by `rule` and stored as `precision`.
  package func limit(rule: Int, precision: Precision) -> Double {
    if rules[rule].precision == precision, let own = rules[rule].maximumRelativeError {
      return own
    }
    return limits[precision] ?? 1
  }

  /// The same recipe with another group size in every integer rule; int8 groups have at least 32 inputs. Its name says
  /// so.
  package func replacingGroupSize(_ groupSize: Int) -> Recipe {
    var copy = self
    copy.name += " with groups of \(groupSize)"
    for index in copy.rules.indices where copy.rules[index].precision.isInteger {
      let least = copy.rules[index].precision.allowedGroupSizes[0]
      copy.rules[index].groupSize = max(groupSize, least)
    }
    return copy
  }

  /// The deciding rule of each subject.
  ///
  /// Throws where a subject has no rule, where a rule that is not optional decides nothing, and where a rule's count
  /// is wrong.
  package func decisions(for subjects: [Subject]) throws(QuantizationError) -> [Decision] {
    var layerCounts: [String: Int] = [:]
    for subject in subjects {
      guard let layer = subject.layer else { continue }
      layerCounts[subject.component] = max(layerCounts[subject.component] ?? 0, layer + 1)
    }
    var used = [Int](repeating: 0, count: rules.count)
    var decisions: [Decision] = []
    for subject in subjects {
      let layerCount = layerCounts[subject.component] ?? 0
      guard
        let index = rules.firstIndex(where: {
          Self.matches($0, subject, layerCount: layerCount)
        })
      else {
        throw QuantizationError(
          .unmatchedTensor, subject.name,
          "no rule of recipe \(name) matches it; end the recipe with a rule that matches \"**\"")
      }
      used[index] += 1
      let rule = rules[index]
      decisions.append(
        Decision(
          rule: index, ruleText: rule.patterns.map(\.text).joined(separator: " "),
          precision: rule.precision, groupSize: rule.groupSize, rounding: rule.rounding,
          codebookRange: rule.codebookRange))
    }
    for (index, rule) in rules.enumerated() {
      let place = "recipe \(name), rule \(index + 1) (\(rule.patterns[0].text))"
      guard used[index] > 0 || rule.isOptional else {
        throw QuantizationError(
          .unmatchedRule, place,
          "decides no weight of this model; correct its pattern or make it \"optional\"")
      }
      if let count = rule.count, used[index] != count {
        throw QuantizationError(
          .wrongCount, place, "decides \(used[index]) weights, its count says \(count)")
      }
    }
    return decisions
  }

  private static func matches(_ rule: Rule, _ subject: Subject, layerCount: Int) -> Bool {
    guard
      rule.components.isEmpty || rule.components.contains(where: { $0.matches(subject.component) })
    else { return false }
    if !rule.layers.isEmpty {
      guard let layer = subject.layer,
        rule.layers.contains(where: { $0.contains(layer, of: layerCount) })
      else { return false }
    }
    return rule.patterns.contains { $0.matches(subject.name) }
  }
}
