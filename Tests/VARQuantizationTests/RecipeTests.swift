import Testing
import VARQuantization
import VARTestSupport

@Suite struct RecipeTests {
  private func recipe(_ rules: String, extra: String = "") throws -> Recipe {
    try Recipe(
      parsing: #"{"recipe_version":1,"name":"t","architecture":"vargpt_v1_1","#
        + extra + #""rules":["# + rules + "]}",
      source: "t")
  }

  private func code(_ body: () throws -> Void) -> QuantizationError.Code? {
    do {
      try body()
      return nil
    } catch {
      return (error as? QuantizationError)?.code
    }
  }

  private let subjects: [Recipe.Subject] =
    (0..<4).flatMap { (layer: Int) in
      ["q_proj", "v_proj"].map {
        Recipe.Subject(
          name: "model.layers.\(layer).self_attn.\($0).weight", component: "llm", layer: layer)
      }
    } + [Recipe.Subject(name: "lm_head.weight", component: "llm.head", layer: nil)]

  @Test func theFirstMatchDecides() throws {
    let recipe = try recipe(
      #"{"match":"model.layers.*.self_attn.v_proj.weight","layers":["first:1","last:2"],"#
        + #""precision":"f16","count":3},"#
        + #"{"match":"**","component":"llm.head","precision":"int8","group_size":128},"#
        + #"{"match":"**","precision":"int4"}"#)
    let decisions = try recipe.decisions(for: subjects)
    #expect(
      decisions.map(\.precision) == [.int4, .f16, .int4, .int4, .int4, .f16, .int4, .f16, .int8])
    #expect(decisions.last?.groupSize == 128)
    #expect(decisions.first?.groupSize == 32)
    let coarse = try recipe.replacingGroupSize(16).decisions(for: subjects)
    #expect(coarse.map(\.groupSize) == [16, 0, 16, 16, 16, 0, 16, 0, 32])
  }

  @Test(arguments: [
    ("a.b", "a.b", true), ("a.*", "a.b", true), ("a.*", "a.b.c", false), ("a.**", "a.b.c", true),
    ("**", "", true), ("*", "a.b", false), ("*.b", "a.b", true), ("a*c.b", "abbc.b", true),
    ("**.weight", "a.b.weight", true), ("**.weight", "a.b.bias", false), ("a.b", "a.bb", false),
    ("*a*", "banana", true), ("**x**", "a.b", false), ("a.*.c", "a..c", true),
  ])
  func globs(pattern: String, name: String, isMatch: Bool) throws {
    let recipe = try recipe(
      #"{"match":"\#(pattern)","precision":"f16","optional":true},"#
        + #"{"match":"**","precision":"f32","optional":true}"#)
    let subject = Recipe.Subject(name: name, component: "llm", layer: nil)
    #expect(try recipe.decisions(for: [subject])[0].rule == (isMatch ? 0 : 1))
  }

  @Test(arguments: [
    (#"{"match":"x","precision":"f16"},{"match":"**","precision":"int4"}"#, "unmatchedRule"),
    (#"{"match":"**","precision":"int4","count":8}"#, "wrongCount"),
    (#"{"match":"**","precision":"int4"},{"match":"**","precision":"f16"}"#, "unmatchedRule"),
    (#"{"match":"model.**","precision":"int4"}"#, "malformedRecipe"),
    (#"{"match":"**","layers":"first:1","precision":"int4"}"#, "malformedRecipe"),
    (#"{"match":"**","precision":"int3"}"#, "malformedRecipe"),
    (#"{"match":"**","precision":"int4","group_size":48}"#, "malformedRecipe"),
    (#"{"match":"**","precision":"int8","group_size":16}"#, "malformedRecipe"),
    (#"{"match":"**","precision":"f16","group_size":32}"#, "malformedRecipe"),
    (#"{"match":"**","precision":"int4","layers":"middle:1"}"#, "malformedRecipe"),
    (#"{"match":"**","precision":"int4","optional":1}"#, "malformedRecipe"),
    (#"{"match":["**",3],"precision":"int4"}"#, "malformedRecipe"),
    (#"{"match":"**","precision":"int4","max_relative_error":2}"#, "malformedRecipe"),
    (#"{"match":"**","precision":"int4","groupsize":32}"#, "unknownKey"),
    ("", "malformedRecipe"),
  ])
  func faultyRules(rules: String, expected: String) {
    #expect(
      code { _ = try recipe(rules).decisions(for: subjects) }
        == QuantizationError.Code(rawValue: expected))
  }

  @Test func faultyDocuments() {
    #expect(code { _ = try Recipe(parsing: "{", source: "t") } == .malformedRecipe)
    #expect(code { _ = try Recipe(parsing: "[]", source: "t") } == .malformedRecipe)
    #expect(
      code { _ = try recipe(#"{"match":"**","precision":"int4"}"#, extra: #""x":1,"#) }
        == .unknownKey)
    #expect(
      code {
        _ = try recipe(#"{"match":"**","precision":"int4"}"#, extra: #""limits":{"int4":-1},"#)
      }
        == .malformedRecipe)
    #expect(code { _ = try Recipe(builtIn: "int5") } == .unknownRecipe)
  }

  @Test func limitsComeFromTheRuleThenTheRecipe() throws {
    let recipe = try recipe(
      #"{"match":"lm_head.weight","precision":"int8","max_relative_error":0.5},"#
        + #"{"match":"**","precision":"int8"}"#, extra: #""limits":{"int8":0.25},"#)
    #expect(recipe.limit(rule: 0, precision: .int8) == 0.5)
    #expect(recipe.limit(rule: 1, precision: .int8) == 0.25)
    // A weight whose row no group divides is stored as f16, whatever its rule says of int8.
    #expect(recipe.limit(rule: 0, precision: .f16) == 0.001)
  }

  @Test func builtInRecipesEqualTheFiles() throws {
    #expect(Recipe.builtInNames == ["balanced", "int4", "small", "int8", "f16", "f32"])
    for name in Recipe.builtInNames {
      let bytes = try Fixtures.readFile(Fixtures.path("../../conversions/\(name).json"))
      #expect(Recipe.builtInText(name)! + "\n" == String(decoding: bytes, as: UTF8.self))
      #expect(try Recipe(builtIn: name).name == name)
    }
  }
}
