import Testing
import VAREvaluation
import VARJSON
import VARTestSupport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

@Suite struct EvaluationSetTests {
  @Test func readsTheSet() throws {
    let set = SceneJudgeTests.set
    #expect(set.imageSize == 96)
    #expect(set.colors.map(\.name).prefix(3) == ["red", "green", "blue"])
    #expect(set.backgrounds.first?.rgb == [245, 245, 245])
    #expect(set.cells.count == 9 && set.templates.count == 12 && set.questions.count == 240)
    #expect(set.generationReply == "Here is the drawing:")
    #expect(set.editReply == "The output image is:")
    let first = set.generations[0]
    #expect(first.id == "gen-000" && first.kind == "n1" && first.source == nil)
    #expect(first.scene.objects[0].position == "left" && first.scene.objects[0].y == 48)
    #expect(set.edits[0].source == "edit_source/000.png" && set.edits[0].kind == "recolor")
  }

  @Test(arguments: [
    (#""image_size":96"#, #""image_size":9600"#, "\"image_size\""),
    (#""color":"blue""#, #""color":"mauve""#, "\"color\": \"mauve\" is not in the world"),
    (#""center_xy":[16,48],"radius""#, #""center_xy":[16,960],"radius""#, "\"center_xy\""),
    (#""white":[245,245,245]"#, #""white":[245,245]"#, "white: three integers"),
    (#""kind":"plain""#, #""kind":"plane""#, "a known background kind"),
    (#""generation_reply":"#, #""edit_reply":"#, "stands twice"),
  ])
  func malformedSetsAreRefused(original: String, replacement: String, text: String) throws {
    let folder = TemporaryDirectory()
    defer { withExtendedLifetime(folder) {} }
    var root = try #require(JSONValue(parsing: Fixtures.bytes("shapes-eval/eval.json")).objectValue)
    root["vqa"] = .array([])
    var bytes = Array(JSONValue.object(root).text.utf8)
    let range = bytes.firstRange(of: original.utf8)
    bytes.replaceSubrange(try #require(range), with: replacement.utf8)
    let file = try #require(fopen("\(folder.path)/eval.json", "wb"))
    fwrite(bytes, 1, bytes.count, file)
    fclose(file)
    let error = #expect(throws: EvaluationError.self) {
      try EvaluationSet(directory: folder.path)
    }
    #expect(error?.code == .malformed)
    #expect(error?.description.contains(text) == true, "\(String(describing: error))")
  }

  /// A set names its own files only.
  @Test(arguments: [
    "/etc/passwd", "../a.png", "a/../../b.png", "..", "", "a\u{0}b", "vqa/..",
  ])
  func namesThatLeadElsewhereAreRefused(name: String) throws {
    let root = try #require(JSONValue(parsing: Fixtures.bytes("shapes-eval/eval.json")).objectValue)
    for (list, key) in [
      ("vqa", "image"), ("generation", "target"), ("edit", "source"), ("edit", "target"),
    ] {
      var root = root
      for other in ["vqa", "generation", "edit"] where other != list { root[other] = .array([]) }
      var entry = try #require(root[list]?.arrayValue?.first?.objectValue)
      entry[key] = .string(name)
      root[list] = .array([.object(entry)])
      try expectRefusal(of: root, key)
    }
  }

  @Test(arguments: ["/etc/x", "../x", "a\u{0}"])
  func sizesAreNoPaths(name: String) throws {
    var root = try #require(JSONValue(parsing: Fixtures.bytes("shapes-eval/eval.json")).objectValue)
    root["sizes_radius"] = .object(JSONObject([(name, .integer(3))]))
    try expectRefusal(of: root, "sizes_radius")
  }

  private func expectRefusal(of root: JSONObject, _ key: String) throws {
    let folder = TemporaryDirectory()
    folder.write("eval.json", JSONValue.object(root).text)
    let error = #expect(throws: EvaluationError.self) {
      try EvaluationSet(directory: folder.path)
    }
    #expect(error?.code == .malformed)
    #expect(error?.description.contains("\"\(key)\"") == true, "\(String(describing: error))")
  }

  /// Symbolic links may lead elsewhere, as those of a cache do.
  @Test func linksAreFollowed() throws {
    let folder = TemporaryDirectory()
    for name in ["templates", "eval.json"] {
      #expect(symlink(Fixtures.path("shapes-eval/\(name)"), folder.file(name)) == 0)
    }
    #expect(try EvaluationSet(directory: folder.path).templates.count == 12)
  }

  @Test func missingSetsAreNamed() {
    let error = #expect(throws: EvaluationError.self) { try EvaluationSet(directory: "/none") }
    #expect(
      error?.description
        == "/none/eval.json: cannot be opened: No such file or directory; check the path")
  }
}
