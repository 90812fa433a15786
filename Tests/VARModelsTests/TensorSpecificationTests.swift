import Testing
import VARJSON
import VARModels
import VARTestSupport

/// The registry of `formats/tensors.md` against the tables of the networks, for the released sizes.
@Suite struct TensorSpecificationTests {
  /// TEN-1, TEN-2: names, order, groups, components, layers, shapes and kinds.
  @Test func registryIsThatOfTheSpecification() throws {
    let registry = try TensorRegistry()
    let expected = registry.tensors()
    let found = try VARGPTConfiguration(
      config: JSONValue(parsing: ReleasedConfiguration.text)
    ).tensors
    #expect(expected.count == found.count)
    for (expected, found) in zip(expected, found) { #expect(expected == ExpectedTensor(found)) }
    let groups = found.reduce(into: [TensorGroup]()) {
      if $0.last != $1.group { $0.append($1.group) }
    }
    #expect(
      registry.text.contains("has \(found.count) tensors in \(groups.count) groups"),
      "\(found.count) tensors in \(groups.count) groups")
  }

  /// TEN-7: a tied embedding lies in tiles and has no head beside it.
  @Test func tiedEmbeddingIsAMatrixWithoutHead() throws {
    var configuration = try VARGPTConfiguration(
      config: JSONValue(parsing: ReleasedConfiguration.text))
    let untied = configuration.tensors
    configuration.languageModel.tieWordEmbeddings = true
    let tied = configuration.tensors
    #expect(tied.map(\.name) == untied.map(\.name).filter { $0 != "lm_head.weight" })
    #expect(tied.first { $0.name == "model.embed_tokens.weight" }?.kind == .matrix)
  }
}

private struct ExpectedTensor: Equatable {
  let name: String
  let shape: [Int]
  let kind: TensorSpecification.Kind
  let group: String
  let component: String
  let layer: Int?
}

extension ExpectedTensor {
  init(_ tensor: TensorSpecification) {
    self.init(
      name: tensor.name, shape: tensor.shape, kind: tensor.kind, group: tensor.group.name,
      component: tensor.component.rawValue, layer: tensor.layer)
  }
}

/// The tables of `formats/tensors.md`, expanded.
private struct TensorRegistry {
  let text: String
  private var sizes: [String: Int] = [:]
  private var indices: [String: ClosedRange<Int>] = [:]
  private var rows: [[String]] = []

  init() throws {
    let page = try SpecificationPage("tensors.md")
    text = page.text
    for row in try page.rows(under: "size") {
      guard let size = Int(row[1]) else { throw FixtureError("size \(row[0]) is no number") }
      sizes[row[0]] = size
    }
    for row in try page.rows(under: "index") {
      guard let first = Int(row[1]), let last = Int(row[2]), first <= last else {
        throw FixtureError("index \(row[0]) has no bounds")
      }
      indices[row[0]] = first...last
    }
    rows = try page.rows(under: "component")
  }

  /// Every tensor, with the rows of a group repeated for the index in the group's name.
  func tensors() -> [ExpectedTensor] {
    var result: [ExpectedTensor] = []
    var start = 0
    while start < rows.count {
      let group = rows[start][1]
      let end = rows[start...].firstIndex { $0[1] != group } ?? rows.count
      for (group, groupIndex) in expanded(group) {
        for row in rows[start..<end] {
          var table = RowExpansion(row, group: group, layer: Int(row[2]) ?? groupIndex)
          let name = groupIndex.map { replaceIndex(in: row[3], by: $0) } ?? row[3]
          for (name, _) in expanded(name) { table.add(name, shape(row[5])) }
          result += table.tensors
        }
      }
      start = end
    }
    return result
  }

  private func expanded(_ name: String) -> [(name: String, index: Int?)] {
    guard let open = name.firstIndex(of: "{"), let close = name.firstIndex(of: "}") else {
      return [(name, nil)]
    }
    let range = indices[String(name[open...close])] ?? 0...0
    return range.map { (replaceIndex(in: name, by: $0), $0) }
  }

  private func replaceIndex(in name: String, by index: Int) -> String {
    guard let open = name.firstIndex(of: "{"), let close = name.firstIndex(of: "}") else {
      return name
    }
    return name[..<open] + String(index) + name[name.index(after: close)...]
  }

  /// `[3E, E]`: each axis is a size, a number, or a number of sizes.
  private func shape(_ text: String) -> [Int] {
    text.dropFirst().dropLast().split(separator: ",").map { axis in
      let axis = axis.drop { $0 == " " }
      let factor = axis.prefix { $0.isNumber }
      let size = axis.dropFirst(factor.count)
      return (Int(factor) ?? 1) * (size.isEmpty ? 1 : sizes[String(size)] ?? 0)
    }
  }
}

/// The tensors of one row, by its kind (section 2 of the text).
private struct RowExpansion {
  private let component: String
  private let kind: String
  private let group: String
  private let layer: Int?
  private(set) var tensors: [ExpectedTensor] = []

  init(_ row: [String], group: String, layer: Int?) {
    component = row[0]
    kind = row[4]
    self.group = group
    self.layer = layer
  }

  mutating func add(_ name: String, _ shape: [Int]) {
    switch kind {
    case "vector": append(name, shape, .vector)
    case "norm": norm(name, shape[0])
    case "table": append(name + ".weight", shape, .table)
    case "matrix": append(name + ".weight", shape, .matrix)
    case "linear":
      append(name + ".weight", shape, .matrix)
      append(name + ".bias", [shape[0]], .vector)
    case "conv3": convolution(name, shape[0], shape[1], side: 3)
    case "residual":
      norm(name + ".norm1.norm", shape[1])
      convolution(name + ".conv1", shape[0], shape[1], side: 3)
      norm(name + ".norm2.norm", shape[0])
      convolution(name + ".conv2", shape[0], shape[0], side: 3)
      if shape[0] != shape[1] {
        convolution(name + ".nin_shortcut", shape[0], shape[1], side: 1)
      }
    default: Issue.record("kind \(kind) of \(name) is unknown")
    }
  }

  private mutating func append(
    _ name: String, _ shape: [Int], _ kind: TensorSpecification.Kind
  ) {
    tensors.append(
      ExpectedTensor(
        name: name, shape: shape, kind: kind, group: group, component: component, layer: layer))
  }

  private mutating func norm(_ name: String, _ size: Int) {
    append(name + ".weight", [size], .vector)
    append(name + ".bias", [size], .vector)
  }

  private mutating func convolution(_ name: String, _ out: Int, _ input: Int, side: Int) {
    append(name + ".conv.weight", [out, side, side, input], .convolution)
    append(name + ".conv.bias", [out], .vector)
  }
}
