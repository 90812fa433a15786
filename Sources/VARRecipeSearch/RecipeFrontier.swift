/// The recipes that are worth their bytes, from the smallest to the largest: each has the least expected error of all
/// that are as small.
///
/// Weights grow one at a time, first where a byte gains the most: the choices that a Lagrange multiplier makes when it
/// falls from infinity to 0.
struct RecipeFrontier {
  private struct Step {
    let weight: Int
    let from, to: Int
    let gainPerByte: Double
  }

  private let weights: [MeasuredWeight]
  private let costs: [[Double]]
  private let steps: [Step]

  init(_ weights: [MeasuredWeight], _ model: ErrorModel) {
    self.weights = weights
    costs = weights.enumerated().map { index, weight in
      weight.choices.indices.map { model.cost(index, $0, weight.choices[$0].error) }
    }
    let costs = costs
    steps = weights.indices.flatMap { Self.hull($0, weights[$0], costs[$0]) }.sorted {
      $0.gainPerByte == $1.gainPerByte
        ? ($0.weight, $0.from) < ($1.weight, $1.from) : $0.gainPerByte > $1.gainPerByte
    }
  }

  /// The steps between the ways to store a weight that a multiplier can choose.
  private static func hull(_ index: Int, _ weight: MeasuredWeight, _ costs: [Double]) -> [Step] {
    var steps: [Step] = []
    var current = smallest(weight, costs)
    while true {
      let (bytes, cost) = (weight.choices[current].byteCount, costs[current])
      var best: Step?
      for other in weight.choices.indices {
        let added = weight.choices[other].byteCount - bytes
        guard added > 0, costs[other] < cost else { continue }
        let gain = (cost - costs[other]) / Double(added)
        if gain > best?.gainPerByte ?? 0 {
          best = Step(weight: index, from: current, to: other, gainPerByte: gain)
        }
      }
      guard let best else { return steps }
      steps.append(best)
      current = best.to
    }
  }

  private static func smallest(_ weight: MeasuredWeight, _ costs: [Double]) -> Int {
    weight.choices.indices.min {
      (weight.choices[$0].byteCount, costs[$0]) < (weight.choices[$1].byteCount, costs[$1])
    } ?? 0
  }

  /// Recipes of the frontier.
  var count: Int { steps.count + 1 }

  /// The recipe of this number, 0 for the smallest: of each weight, the number of the way that it is stored.
  func choice(_ number: Int) -> [Int] {
    var choice = weights.indices.map { Self.smallest(weights[$0], costs[$0]) }
    for step in steps.prefix(number) { choice[step.weight] = step.to }
    return choice
  }

  /// The recipe with the least expected error that fits; nil where none does.
  ///
  /// - Parameter size: what a choice takes; grows with the bytes of weights, but for gaps.
  func best(within limit: Int, size: ([Int]) -> Int) -> [Int]? {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if size(choice(middle)) <= limit { low = middle + 1 } else { high = middle }
    }
    guard low > 0 else { return nil }
    return filled(choice(low - 1), limit, size)
  }

  /// Uses what is left: the steps that still fit, those that gain the most for a byte first.
  private func filled(_ start: [Int], _ limit: Int, _ size: ([Int]) -> Int) -> [Int] {
    var choice = start
    var room = limit - size(choice)
    var hasChanged = true
    while hasChanged {
      hasChanged = false
      for step in upgrades(choice) where choice[step.weight] == step.from {
        let added =
          weights[step.weight].choices[step.to].byteCount
          - weights[step.weight].choices[step.from].byteCount
        // Gaps between groups may take it up.
        guard added <= room + (1 << 16) else { continue }
        choice[step.weight] = step.to
        let taken = size(choice)
        if taken <= limit {
          room = limit - taken
          hasChanged = true
        } else {
          choice[step.weight] = step.from
        }
      }
    }
    return choice
  }

  private func upgrades(_ choice: [Int]) -> [Step] {
    weights.indices.flatMap { index -> [Step] in
      let (weight, from) = (weights[index], choice[index])
      return weight.choices.indices.compactMap { to in
        let added = weight.choices[to].byteCount - weight.choices[from].byteCount
        guard costs[index][to] < costs[index][from] else { return nil }
        return Step(
          weight: index, from: from, to: to,
          gainPerByte: (costs[index][from] - costs[index][to]) / Double(max(1, added)))
      }
    }.sorted {
      $0.gainPerByte == $1.gainPerByte
        ? ($0.weight, $0.to) < ($1.weight, $1.to) : $0.gainPerByte > $1.gainPerByte
    }
  }
}
