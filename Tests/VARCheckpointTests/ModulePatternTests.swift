import Testing
import VARCheckpoint

/// What Python's `re.match(rf"(.*\.)?({pattern})$", name)` says.
@Suite struct ModulePatternTests {
  @Test(arguments: [
    ("q_proj", "model.layers.0.self_attn.q_proj"), ("q_proj", "q_proj"),
    ("self_attn.q_proj", "model.layers.0.self_attn.q_proj"),
    ("model.layers.0.self_attn.q_proj", "model.layers.0.self_attn.q_proj"),
    (#"layers\.0\..*q_proj"#, "model.layers.0.self_attn.q_proj"),
    (#"^model\.layers\.1[0-5]\.mlp\.(gate|up)_proj"#, "model.layers.13.mlp.up_proj"),
    (#".*\.(0|1|2)\.mlp\.\w+"#, "model.layers.2.mlp.down_proj"),
    (#"layers.\d+.mlp.down_proj$"#, "model.layers.27.mlp.down_proj"),
    (#"(?:visual|model)\.blocks\.\d{1,2}\.attn\.qkv"#, "visual.blocks.31.attn.qkv"),
    (#"[^.]+_proj"#, "model.layers.0.mlp.up_proj"), (#"q?_?proj"#, "a.proj"), ("a{2,}b*?", "x.aaa"),
    ("", "model."), (#"(?P<part>qkv|proj)"#, "visual.blocks.0.attn.proj"), ("[]x]+", "a.]x]"),
    (#"\S+"#, "a.b"), ("x|", "a."), ("(a*)*b", "aaab"),
  ])
  func matches(pattern: String, name: String) throws {
    #expect(try #require(ModulePattern(pattern)).matches(name))
  }

  @Test(arguments: [
    ("proj", "model.layers.0.self_attn.q_proj"), ("q_proj", "model.q_proj.lora"),
    ("^layers.0.q_proj", "model.layers.0.q_proj"), ("layers.1.mlp", "model.layers.11.mlp"),
    ("layers.1.mlp", "model.xlayers.1.mlp"), (#"layers\.(0|1)\.mlp"#, "model.layers.2.mlp"),
    (#"a{2}"#, "x.aaa"), (#"\d"#, "layers.12"), ("[^.]+_proj", "a._proj"), ("", "model.q"),
    (#"x\.y"#, "xzy"), ("(a*)*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac"),
    ("((a?){1000}){1000}b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac"),
    ("(a|a|aa)*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac"),
  ])
  func doesNotMatch(pattern: String, name: String) throws {
    #expect(try !#require(ModulePattern(pattern)).matches(name))
  }

  @Test(arguments: [
    "(", ")", "a)", "[a", "[b-a]", "*a", "a**", "a{3,2}", "a{9999}", "a{", "(?=a)", "(?<!a)b",
    "((((a*)*)*)*)*",
    "(((((x?){1000}){1000}){1000}){1000})", #"\1"#, #"\bq"#, #"a\"#, "(?i)q", "a++",
    String(repeating: "(", count: 200) + String(repeating: ")", count: 200),
    String(repeating: "a", count: 2000),
  ])
  func whatIsNotReadIsNoPattern(pattern: String) {
    #expect(ModulePattern(pattern) == nil)
  }
}
