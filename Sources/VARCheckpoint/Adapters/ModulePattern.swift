/// A regular expression over the names of modules, as `rank_pattern` and `alpha_pattern` of an adapter have them.
///
/// Knows letters, `.`, classes, groups, `|`, `^`, `$` and counts; what else Python's expressions have is refused. All
/// places that a part may reach are followed at once, and a count ends where another round reaches the same places. So
/// a count takes about as many rounds as the name has letters, and counts within counts stand at most three deep.
package struct ModulePattern: Sendable {
  private indirect enum Node: Sendable {
    case scalar(Unicode.Scalar)
    case any
    case among([ClosedRange<Unicode.Scalar>], isNegated: Bool)
    case start
    case end
    case sequence([Node])
    case choice([Node])
    case repeated(Node, ClosedRange<Int>)

    /// How many counts stand within each other.
    var countDepth: Int {
      switch self {
      case .sequence(let nodes), .choice(let nodes): nodes.map(\.countDepth).max() ?? 0
      case .repeated(let part, _): part.countDepth + 1
      default: 0
      }
    }
  }

  private let root: Node

  static let maximumByteCount = 1024
  static let maximumDepth = 32
  static let maximumCountDepth = 3
  private static let maximumCount = 1000

  /// Nil for a pattern that is malformed, too long, or uses what is not read.
  package init?(_ text: String) {
    guard text.utf8.count <= Self.maximumByteCount else { return nil }
    var parser = Parser(text)
    guard let root = parser.choice(depth: 0), parser.isAtEnd else { return nil }
    self.root = root
  }

  /// Whether the pattern describes the end of `name`, from its start or from behind a dot on, as PEFT matches it:
  /// `(.*\.)?(pattern)$`.
  package func matches(_ name: String) -> Bool {
    let name = Array(name.unicodeScalars)
    let starts = (0...name.count).filter { $0 == 0 || name[$0 - 1] == "." }
    return ends(of: root, from: Set(starts), in: name).contains(name.count)
  }

  /// Where a part may end that begins at one of `places`.
  private func ends(of node: Node, from places: Set<Int>, in name: [Unicode.Scalar]) -> Set<Int> {
    func step(_ isWanted: (Unicode.Scalar) -> Bool) -> Set<Int> {
      Set(places.filter { $0 < name.count && isWanted(name[$0]) }.map { $0 + 1 })
    }
    switch node {
    case .scalar(let scalar): return step { $0 == scalar }
    case .any: return step { _ in true }
    case .among(let ranges, let isNegated):
      return step { scalar in ranges.contains { $0.contains(scalar) } != isNegated }
    case .start: return places.intersection([0])
    case .end: return places.intersection([name.count])
    case .sequence(let nodes):
      return nodes.reduce(places) { ends(of: $1, from: $0, in: name) }
    case .choice(let nodes):
      return nodes.reduce([]) { $0.union(ends(of: $1, from: places, in: name)) }
    case .repeated(let part, let counts):
      var current = places
      var all: Set<Int> = counts.lowerBound == 0 ? places : []
      for count in 1...max(1, counts.upperBound) where counts.upperBound > 0 {
        let next = ends(of: part, from: current, in: name)
        if count >= counts.lowerBound {
          if next.isSubset(of: all) { break }
          all.formUnion(next)
        }
        if next == current {
          all.formUnion(next)
          break
        }
        if next.isEmpty { break }
        current = next
      }
      return all
    }
  }
}

// MARK: - Parsing

extension ModulePattern {
  private struct Parser {
    private let scalars: [Unicode.Scalar]
    private var index = 0

    init(_ text: String) { scalars = Array(text.unicodeScalars) }

    var isAtEnd: Bool { index == scalars.count }
    private var next: Unicode.Scalar? { isAtEnd ? nil : scalars[index] }

    private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
      guard next == scalar else { return false }
      index += 1
      return true
    }

    private mutating func takeAny() -> Unicode.Scalar? {
      defer { index = min(index + 1, scalars.count) }
      return next
    }

    mutating func choice(depth: Int) -> Node? {
      guard depth <= ModulePattern.maximumDepth else { return nil }
      var nodes: [Node] = []
      repeat {
        guard let node = sequence(depth: depth) else { return nil }
        nodes.append(node)
      } while take("|")
      return nodes.count == 1 ? nodes[0] : .choice(nodes)
    }

    private mutating func sequence(depth: Int) -> Node? {
      var nodes: [Node] = []
      while let scalar = next, scalar != "|", scalar != ")" {
        guard let part = part(depth: depth), let node = counted(part) else { return nil }
        nodes.append(node)
      }
      return .sequence(nodes)
    }

    private mutating func part(depth: Int) -> Node? {
      guard let scalar = takeAny() else { return nil }
      switch scalar {
      case ".": return .any
      case "^": return .start
      case "$": return .end
      case "(":
        guard !take("?") || groupStart(), let node = choice(depth: depth + 1), take(")") else {
          return nil
        }
        return node
      case "[": return characterClass()
      case "\\": return escape()
      case "*", "+", "?", "{", "}", "]": return nil
      default: return .scalar(scalar)
      }
    }

    /// What stands behind `(?` of a group that is only a group.
    private mutating func groupStart() -> Bool {
      if take(":") { return true }
      guard take("P"), take("<") else { return false }
      while let scalar = takeAny() {
        if scalar == ">" { return true }
      }
      return false
    }

    private mutating func counted(_ part: Node) -> Node? {
      let counts: ClosedRange<Int>
      if take("*") {
        counts = 0...ModulePattern.maximumCount
      } else if take("+") {
        counts = 1...ModulePattern.maximumCount
      } else if take("?") {
        counts = 0...1
      } else if take("{") {
        guard let range = countRange() else { return nil }
        counts = range
      } else {
        return part
      }
      // The reluctant form of a count matches the same names.
      _ = take("?")
      if let next, ["*", "+", "?", "{"].contains(next) { return nil }
      let node = Node.repeated(part, counts)
      return node.countDepth <= ModulePattern.maximumCountDepth ? node : nil
    }

    /// `n}`, `n,}`, `,m}` or `n,m}`.
    private mutating func countRange() -> ClosedRange<Int>? {
      let least = number()
      let most = take(",") ? number() ?? ModulePattern.maximumCount : least
      guard take("}"), let most, most <= ModulePattern.maximumCount, least ?? 0 <= most else {
        return nil
      }
      return (least ?? 0)...most
    }

    private mutating func number() -> Int? {
      var digits = ""
      while let scalar = next, ("0"..."9").contains(scalar), digits.count < 5 {
        digits.unicodeScalars.append(scalar)
        index += 1
      }
      return Int(digits)
    }

    private mutating func escape() -> Node? {
      guard let scalar = takeAny() else { return nil }
      if let ranges = Self.ranges(ofEscape: scalar) { return .among(ranges, isNegated: false) }
      let lowered = scalar.properties.lowercaseMapping.unicodeScalars.first ?? scalar
      if let ranges = Self.ranges(ofEscape: lowered) { return .among(ranges, isNegated: true) }
      return Self.isLetterOrDigit(scalar) ? nil : .scalar(scalar)
    }

    private static func ranges(
      ofEscape scalar: Unicode.Scalar
    ) -> [ClosedRange<Unicode.Scalar>]? {
      switch scalar {
      case "d": ["0"..."9"]
      case "w": ["0"..."9", "A"..."Z", "a"..."z", "_"..."_"]
      case "s": [" "..." ", "\t"..."\r"]
      default: nil
      }
    }

    private static func isLetterOrDigit(_ scalar: Unicode.Scalar) -> Bool {
      ["0"..."9", "A"..."Z", "a"..."z"].contains { $0.contains(scalar) }
    }

    private mutating func characterClass() -> Node? {
      let isNegated = take("^")
      var ranges: [ClosedRange<Unicode.Scalar>] = []
      repeat {
        guard let first = takeAny() else { return nil }
        if first == "\\" {
          guard let escaped = takeAny() else { return nil }
          if let more = Self.ranges(ofEscape: escaped) {
            ranges += more
          } else {
            if Self.isLetterOrDigit(escaped) { return nil }
            ranges.append(escaped...escaped)
          }
        } else if next == "-", index + 1 < scalars.count, scalars[index + 1] != "]" {
          index += 1
          guard let last = takeAny(), last != "\\", first <= last else { return nil }
          ranges.append(first...last)
        } else {
          ranges.append(first...first)
        }
      } while next != "]"
      index += 1
      return .among(ranges, isNegated: isNegated)
    }
  }
}
