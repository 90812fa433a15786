import Testing
import VARTestSupport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Ctrl-C, and readers that go away.
@Suite struct InterruptionTests {
  @Test func controlCEndsADrawingAtOnceBeforeItsFirstScale() throws {
    let folder = TemporaryDirectory()
    let result = try Programs.varlite(
      ["generate", Programs.redCircle, "-o", folder.path + "/a.png", "--size", "1024"],
      interruptAt: "reading")
    expectFailure(result, Programs.Status.interrupted, "interrupted")
    let seconds = try #require(result.secondsAfterInterrupt)
    #expect(seconds < 2)
    #expect(folder.names().isEmpty)
  }

  /// What exists is written, tells that it was stopped, and is drawn to its end by its own words or its checkpoint.
  @Test func controlCLetsADrawingFinishItsScale() throws {
    let folder = TemporaryDirectory()
    let (part, state) = (folder.file("part.png"), folder.file("state"))
    let arguments = ["generate", Programs.redCircle, "--size", "256", "--seed", "3"]
    let result = try Programs.varlite(
      arguments + ["-o", part, "--checkpoint", state], interruptAt: "scale 5 of")
    #expect(result.status == Programs.Status.interrupted, "\(result.errorText)")
    #expect(result.errorText.contains("stopped after scale"), "\(result.errorText)")
    let facts = try Programs.varlite(["info", part, "--json"]).json()
    let count = try #require(facts["drawn_scales"]?.integerValue)
    let all = try #require(facts["scales"]?.arrayValue?.count)
    #expect((5..<all).contains(count), "\(count) of \(all)")
    let bytes = String(decoding: try Fixtures.readFile(part).prefix(2000), as: UTF8.self)
    #expect(bytes.contains("stopped after scale \(count) of \(all)"))
    func draw(_ name: String, _ arguments: [String]) throws -> [UInt8] {
      expectDone(try Programs.varlite(arguments + ["-o", folder.file(name), "--quiet"]))
      return try Fixtures.readFile(folder.file(name))
    }
    let whole = try draw("whole.png", arguments)
    #expect(try draw("like.png", ["generate", "--like", part]) == whole)
    #expect(
      try draw("resumed.png", ["generate", Programs.redCircle, "--resume-from", state]) == whole)
  }

  @Test func aSecondControlCEndsADrawingAtOnce() throws {
    let folder = TemporaryDirectory()
    let result = try Programs.shell(
      """
      trap - INT
      "$0" generate "$1" -o "$2/a.png" --size 1024 2>"$2/log" & process=$!
      until grep -q "scale 9 of" "$2/log"; do kill -0 $process || break; done
      kill -INT $process; sleep 0.05; kill -TERM $process; wait $process; status=$?
      tail -n 1 "$2/log" >&2; rm "$2/log"; exit $status
      """, [Programs.redCircle, folder.path])
    expectFailure(result, Programs.Status.interrupted, "interrupted")
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
