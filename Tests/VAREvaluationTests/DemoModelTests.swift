import Testing
import VAREvaluation
import VARLite
import VARTestSupport
import VQ4Format

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
}
