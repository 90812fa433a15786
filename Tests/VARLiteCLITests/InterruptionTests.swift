import Testing
import VARTestSupport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Ctrl-C, and readers that go away.
@Suite struct InterruptionTests {
  @Test(arguments: ["reading", "scale 1 of", "scale 2 of"])
  func controlCEndsADrawingSoon(_ moment: String) throws {
    let folder = TemporaryDirectory()
    let result = try Programs.varlite(
      ["generate", Programs.redCircle, "-o", folder.path + "/a.png", "--size", "1024"],
      interruptAt: moment)
    expectFailure(result, Programs.Status.interrupted, "interrupted")
    let seconds = try #require(result.secondsAfterInterrupt)
    #expect(seconds < 2)
    #expect(folder.names().isEmpty)
  }

  @Test(arguments: [SIGTERM, SIGHUP])
  func otherSignalsEndADrawingAlike(_ signal: Int32) throws {
    let folder = TemporaryDirectory()
    var runner = try ProgramRunner.built("varlite")
    runner.environment.append("VARLITE_MODEL=\(try Programs.model.get())")
    runner.interruptSignal = signal
    let result = try runner.run(
      ["generate", Programs.redCircle, "-o", folder.path + "/a.png", "--size", "1024"],
      interruptAt: "scale 1 of")
    expectFailure(result, Programs.Status.interrupted, "interrupted")
    #expect(folder.names().isEmpty)
  }

  @Test func controlCEndsAnAnswer() throws {
    let result = try Programs.varlite(
      ["understand", "Who are you?", "--ignore-eos", "--max-tokens", "4000", "--json"],
      interruptAt: "I am")
    expectFailure(result, Programs.Status.interrupted, "interrupted")
  }

  @Test func aReaderThatGoesAwayEndsTheWork() throws {
    let result = try Programs.varlite(
      ["understand", "Who are you?", "--ignore-eos", "--max-tokens", "4000"], outputLimit: 4)
    #expect(result.status == Programs.Status.noResources)
    #expect(result.errorText.contains("standard output: cannot be written: Broken pipe"))
  }

  @Test func aReaderThatNeverWasIsNoCrash() throws {
    for arguments in [
      ["info"], ["--help"], ["reconstruct", Programs.picture("scene_0"), "-o", "-"],
    ] {
      let result = try Programs.varlite(arguments, outputLimit: 0)
      #expect(result.status == Programs.Status.noResources, "\(result.errorText)")
    }
  }

  /// `ConversionTests` has those that were at work long enough to leave something worth keeping.
  @Test func conversionsAreInterruptedWithoutTrace() throws {
    let folder = TemporaryDirectory()
    let result = try Programs.shell(
      """
      "$(dirname "$0")/varconvert" "$1" -o "$2/m.vq4" --quiet & process=$!
      while [ ! -e "$2/m.vq4.partial" ] && kill -0 $process; do :; done
      kill -TERM $process; wait $process
      """, [Fixtures.path("tiny"), folder.path])
    // The conversion may be done before the signal comes; half a file may not stay under its name. Where the machine is
    // so slow that something is worth keeping, the message says so.
    let names = folder.names()
    if result.status == Programs.Status.interrupted {
      let isKept = result.errorText.contains("--resume")
      #expect(names == (isKept ? ["m.vq4.journal", "m.vq4.partial"] : []))
    } else {
      #expect(names == ["m.vq4"])
    }
  }
}
