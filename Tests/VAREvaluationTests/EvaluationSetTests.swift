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

  @Test func missingSetsAreNamed() {
    let error = #expect(throws: EvaluationError.self) { try EvaluationSet(directory: "/none") }
    #expect(error?.description == "/none/eval.json: No such file or directory")
  }
}
