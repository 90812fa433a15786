import Testing
import VARCheckpoint
import VARConversion
import VARQuantization
import VARTestSupport
import VQ4Format

/// Where a conversion has canaries taken: of the file that has not its name yet.
@Suite struct CanaryAttachmentTests {
  private struct Refusal: Error {}

  private func conversion(_ resumes: Bool, withCanaries: Bool = true) throws -> Conversion {
    var options = ConversionOptions(recipe: try Recipe(builtIn: "int8"))
    options.keepsProgress = true
    options.resumes = resumes
    options.withCanaries = withCanaries
    options.journalItemCount = 20
    return try Conversion(of: try Checkpoint(path: Fixtures.path("tiny")), options: options)
  }

  @Test func theFileIsReadableBeforeItIsFinished() throws {
    let directory = TemporaryDirectory()
    let path = directory.file("m.vq4")
    let canaries = Array("what layers make".utf8)
    func take(_ partial: String) throws -> [UInt8] {
      #expect(directory.names() == ["m.vq4.journal", "m.vq4.partial"])
      try VQ4File(path: partial).verify()
      return canaries
    }
    let conversion = try conversion(false)
    let result = try conversion.write(to: path, canaries: take)
    let file = try VQ4File(path: path)
    try file.verify()
    #expect(try file.attachment("canaries") == canaries)
    #expect(result.contentHash == file.contentHash)

    // All else is as without.
    let plain = directory.file("plain.vq4")
    _ = try self.conversion(false, withCanaries: false).write(to: plain)
    try expectSameContent(file, try VQ4File(path: plain))
    #expect(try VQ4File(path: plain).attachment("canaries") == nil)

    // A finished file is done, with canaries and without.
    #expect(
      try self.conversion(true).write(to: path, canaries: { _ in throw Refusal() }).wasFinished)
    #expect(try self.conversion(true, withCanaries: false).write(to: plain).wasFinished)
  }

  @Test func aStopWhileTheyAreTakenIsTakenUp() throws {
    let directory = TemporaryDirectory()
    let path = directory.file("m.vq4")
    #expect(throws: Refusal.self) {
      try conversion(false).write(to: path, canaries: { _ in throw Refusal() })
    }
    #expect(directory.names() == ["m.vq4.journal", "m.vq4.partial"])
    #expect(throws: VQ4Error.self) { try VQ4File(path: path + ".partial") }
    let result = try conversion(true).write(to: path, canaries: { _ in [1, 2, 3] })
    #expect(result.resumedElementCount > 0)
    let whole = directory.file("whole.vq4")
    _ = try conversion(false).write(to: whole, canaries: { _ in [1, 2, 3] })
    #expect(try Fixtures.readFile(path) == Fixtures.readFile(whole))
    #expect(directory.names() == ["m.vq4", "whole.vq4"])
  }
}
