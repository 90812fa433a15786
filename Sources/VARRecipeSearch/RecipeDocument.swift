import VARJSON
import VARModels
import VARQuantization

/// A recipe as a document to read, to edit and to use again.
struct RecipeDocument {
  /// How a weight is stored and rounded.
  private struct Class: Hashable {
    let storage: Storage
    let isNearest: Bool
  }

  let name: String
  let description: String
  let weights: [(specification: TensorSpecification, measured: MeasuredWeight, choice: Int)]

  /// Layers of one role that are stored alike are named by a pattern, others one by one; what most weights become is
  /// the last rule.
  var json: JSONValue {
    var order: [Class] = []
    var members: [Class: Int] = [:]
    var classes: [String: Set<Class>] = [:]
    for weight in weights {
      let own = Self.class(weight)
      if members[own] == nil { order.append(own) }
      members[own, default: 0] += 1
      classes[weight.specification.pattern, default: []].insert(own)
    }
    // The first of those that have the most.
    let common = order.max { (members[$0] ?? 0) < (members[$1] ?? 0) }
    var names: [Class: [String]] = [:]
    for weight in weights {
      let own = Self.class(weight)
      guard own != common else { continue }
      let pattern = weight.specification.pattern
      let text = classes[pattern]?.count == 1 ? pattern : weight.specification.name
      if names[own]?.last != text { names[own, default: []].append(text) }
    }
    let rules = order.compactMap { own in names[own].map { Self.rule($0, own) } }
    return .object(
      JSONObject([
        ("recipe_version", .integer(1)), ("name", .string(name)),
        ("architecture", .string("vargpt_v1_1")), ("description", .string(description)),
        ("rules", .array(rules + (common.map { [Self.rule(["**"], $0)] } ?? []))),
      ]))
  }

  private static func `class`(
    _ weight: (specification: TensorSpecification, measured: MeasuredWeight, choice: Int)
  ) -> Class {
    let storage = weight.measured.choices[weight.choice].storage
    return Class(
      storage: storage,
      isNearest: storage.precision.isInteger && !weight.measured.isCompensated)
  }

  private static func rule(_ names: [String], _ own: Class) -> JSONValue {
    var seen: Set<String> = []
    let names = names.filter { seen.insert($0).inserted }
    var members: [(String, JSONValue)] = [
      (
        "match",
        names.count == 1 ? .string(names[0]) : .array(names.map { .string($0) })
      ), ("precision", .string(own.storage.precision.rawValue)),
    ]
    if own.storage.precision.isInteger {
      members.append(("group_size", .integer(own.storage.groupSize)))
    }
    if own.isNearest { members.append(("rounding", .string(Rounding.nearest.rawValue))) }
    return .object(JSONObject(members))
  }

  /// The document with a rule on each line.
  var text: String {
    guard let object = json.objectValue, let rules = object["rules"]?.arrayValue else { return "" }
    let head = object.members.filter { $0.key != "rules" }.map {
      "\(JSONValue.string($0.key).text): \($0.value.text)"
    }
    return "{ " + head.joined(separator: ",\n  ") + ",\n  \"rules\": [\n    "
      + rules.map(\.text).joined(separator: ",\n    ") + " ] }\n"
  }
}
