import Testing
import VAREvaluation
import VARLite
import VARTestSupport
import VQ4Format

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The demo model that ships with the project, on the first cases of its evaluation set.
@Suite struct DemoModelTests {
  private static let path =
    Fixtures.path("../../Sources/CVARDemoModel/Resources/shapes.vq4")

  @Test func everyByteIsRight() throws { try VQ4File(path: Self.path).verify() }

  /// Of all cases 99.2 % of the questions, 96.5 % of the drawings and 96 % of the edits are right; these bounds lie
  /// below what 30 cases of such a model give, and far above what a broken one gives.
  @Test func answersDrawsAndEdits() throws {
    let set = try EvaluationSet(directory: Fixtures.path("shapes-eval"))
    let model = try Runtime().open(Self.path)
    let run = EvaluationRun(model, set: set, limit: 30)
    let report = try run.run { _, _, _ in }
    #expect(report.answers.count(where: \.isExact) >= 28)
    let drawings = try #require(report.drawings[.generation])
    #expect(drawings.count == 30)
    #expect(drawings.count(where: \.verdict.isExact) >= 26)
    #expect(drawings.count(where: \.isReplyExact) == 30)
    let edits = try #require(report.drawings[.edit])
    #expect(edits.count(where: \.verdict.isExact) >= 26)
    let roundTrips = try #require(report.drawings[.vae])
    #expect(roundTrips.count(where: \.verdict.isExact) >= 27)
  }

  /// A true rendering of other extents is named; it is not held against a picture.
  @Test(arguments: [EvaluationRun.Part.generation, .edit, .vae])
  func otherExtentsAreRefused(part: EvaluationRun.Part) throws {
    let folder = TemporaryDirectory()
    for name in TemporaryDirectory.names(of: Fixtures.path("shapes-eval")) {
      try #require(symlink(Fixtures.path("shapes-eval/\(name)"), folder.file(name)) == 0)
    }
    // One of the templates is a picture of other extents.
    let other = "templates/star_small.png"
    let text = String(decoding: try Fixtures.bytes("shapes-eval/eval.json"), as: UTF8.self)
    unlink(folder.file("eval.json"))
    folder.write(
      "eval.json",
      text.replacing("gen_target/000.png", with: other)
        .replacing("edit_target/000.png", with: other))
    let run = EvaluationRun(
      try Runtime().open(Self.path), set: try EvaluationSet(directory: folder.path),
      parts: [part], limit: 1)
    let error = #expect(throws: EvaluationError.self) { try run.run { _, _, _ in } }
    #expect(error?.code == .wrongImageSize)
    #expect(error?.description.hasPrefix("\(folder.file(other)): 31 x 31 pixels") == true)
  }
}
