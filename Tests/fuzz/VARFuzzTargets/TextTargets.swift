import VAREvaluation
import VARJSON
import VARQuantization
import VARTestSupport

extension FuzzTarget {
  /// Any JSON: what is read is written and read again.
  static let json = FuzzTarget(
    "json",
    files: { [FuzzFile("any.json", $0)] },
    read: { input in
      let value = try JSONValue(parsing: input)
      for text in [value.text, value.prettyText] {
        guard try JSONValue(parsing: text) == value else {
          preconditionFailure("JSON is not what was written")
        }
      }
    })

  /// A recipe of precisions, and what it decides for a model's weights.
  static let recipe = FuzzTarget(
    "recipe",
    files: { [FuzzFile("recipe.json", $0)] },
    read: { input in
      let recipe = try Recipe(
        parsing: String(decoding: input, as: UTF8.self), source: "recipe.json")
      let decisions = try recipe.decisions(for: subjects)
      for decision in decisions {
        _ = recipe.limit(rule: decision.rule, precision: decision.precision)
      }
      _ = recipe.replacingGroupSize(32)
    })

  private static let subjects: [Recipe.Subject] = {
    var subjects = [Recipe.Subject(name: "llm.embed.weight", component: "llm", layer: nil)]
    for layer in 0..<4 {
      for component in ["llm", "vision", "generator"] {
        subjects.append(
          Recipe.Subject(
            name: "\(component).layers.\(layer).self_attn.q_proj.weight", component: component,
            layer: layer))
      }
    }
    return subjects
  }()

  /// An evaluation set's list of cases.
  static let evaluation = FuzzTarget(
    "evaluation",
    files: { [FuzzFile("eval.json", $0)] },
    read: { input in
      try FuzzFolder.with([FuzzFile("eval.json", input)]) { folder in
        folder.link("templates", to: Fixtures.path("shapes-eval/templates"))
        _ = try EvaluationSet(directory: folder.path)
      }
    })
}
