import Testing
import VARCheckpoint
import VARConversion
import VARJSON
import VARModels
import VARQuantization
import VARTestSupport
import VQ4Format

/// `formats/attachments.md` against what is written and read.
@Suite struct AttachmentSpecificationTests {
  private let page: SpecificationPage

  init() throws { page = try SpecificationPage("attachments.md") }

  /// Dotted keys of an object with their values; lists are values.
  private func members(_ value: JSONValue, _ prefix: String = "") -> [(String, JSONValue)] {
    guard let object = value.objectValue else { return [(prefix, value)] }
    return object.members.flatMap { key, value in
      members(value, prefix.isEmpty ? key : prefix + "." + key)
    }
  }

  private func keys(_ value: JSONValue) -> [String] { members(value).map(\.0) }

  private func keys(of name: String) throws -> [String] {
    try page.rows(under: name).map { $0[0] }
  }

  /// ATT-1: keys, their order, and the released values.
  @Test func configurationIsThatOfTheSpecification() throws {
    let rows = try page.rows(under: "key of `configuration`")
    let configuration = try VARGPTConfiguration(
      config: JSONValue(parsing: ReleasedConfiguration.text))
    let written = members(configuration.json)
    #expect(written.map(\.0) == rows.map { $0[0] })
    for ((key, value), row) in zip(written, rows) {
      let stated = try JSONValue(parsing: row[4])
      let isEqual = value.doubleValue.map { $0 == stated.doubleValue } ?? (value == stated)
      #expect(isEqual, "\(key): \(value.text), the specification says \(row[4])")
    }
  }

  /// ATT-1, ATT-2: exactly the keys without a default are required.
  @Test func requiredKeysAreThoseOfTheSpecification() throws {
    let rows = try page.rows(under: "key of `configuration`")
    let stated = try JSONValue(parsing: ReleasedConfiguration.text)
    // Its default is the other heads, so that the released model states it.
    let required = rows.filter { $0[3] == "-" }.map { $0[0] } + ["num_key_value_heads"]
    #expect(keys(stated).sorted() == required.sorted())
    for row in rows where row[3] == "-" {
      #expect {
        try VARGPTConfiguration(config: removing(row[0], from: stated))
      } throws: {
        let error = $0 as? ConfigurationError
        return error?.code == .missing && error?.key == row[0]
      }
    }
  }

  private func removing(_ key: String, from value: JSONValue) -> JSONValue {
    guard let object = value.objectValue else { return value }
    let parts = key.split(separator: ".", maxSplits: 1).map(String.init)
    return .object(
      JSONObject(
        object.members.compactMap { name, value in
          if name != parts[0] { return (name, value) }
          return parts.count == 1 ? nil : (name, removing(parts[1], from: value))
        }))
  }

  @Test func aFileHoldsTheAttachmentsOfTheSpecification() throws {
    let directory = TemporaryDirectory()
    let path = directory.path + "/tiny.vq4"
    let checkpoint = try Checkpoint(path: Fixtures.path("tiny"))
    var options = ConversionOptions(recipe: try Recipe(builtIn: "int4"))
    options.withCanaries = true
    options.withPreviewMap = true
    _ = try Conversion(of: checkpoint, options: options).write(to: path, canaries: { _ in [1] })
    let file = try VQ4File(path: path)
    // The tiny checkpoint comes without a licence.
    let names = try page.rows(under: "attachment").map { $0[0] }.filter { $0 != "licence" }
    #expect(file.attachments.map(\.name) == names)
    for name in ["generation_configuration", "image_preprocessing"] {
      #expect(try keys(file.jsonAttachment(name)) == keys(of: "key of `\(name)`"))
    }
    let provenance = try file.jsonAttachment("provenance")
    let shards = try #require(provenance["shards"]?.arrayValue)
    #expect(shards.count == 3)
    let shardKeys = shards[0].objectValue?.members.map { "shards." + $0.key } ?? []
    #expect(try keys(provenance) + shardKeys == keys(of: "key of `provenance`"))
  }

  /// The keys that a recipe may have, and the example.
  @Test func recipesAreThoseOfTheSpecification() throws {
    func known(_ text: String) -> String {
      do throws(QuantizationError) {
        _ = try Recipe(parsing: text, source: "test")
        return ""
      } catch {
        return error.code == .unknownKey ? error.detail : ""
      }
    }
    let recipeKeys = try keys(of: "key of a recipe").joined(separator: ", ")
    #expect(known(#"{"x": 1}"#).hasSuffix("known are " + recipeKeys))
    let start = #"{"recipe_version": 1, "name": "n", "architecture": "vargpt_v1_1", "rules": "#
    let ruleKeys = try keys(of: "key of a rule").joined(separator: ", ")
    #expect(known(start + #"[{"x": 1}]}"#).hasSuffix("known are " + ruleKeys))
    let example = try #require(page.text.split(separator: "```json\n").last)
    let text = example.prefix { $0 != "`" }
    #expect(try Recipe(parsing: String(text), source: "example").name == "mine")
  }

  /// ATT-14.
  @Test func defaultLimitsAreThoseOfTheSpecification() throws {
    for precision in Precision.allCases {
      let recipe = try Recipe(
        parsing: """
          {"recipe_version": 1, "name": "n", "architecture": "vargpt_v1_1",
           "rules": [{"match": "**", "precision": "\(precision.rawValue)"}]}
          """, source: "test")
      let limit = recipe.limit(rule: 0, precision: precision)
      let number = limit == 0 ? "0" : "\(limit)"
      #expect(page.text.contains("`\(precision.rawValue)` \(number)"))
    }
  }
}
