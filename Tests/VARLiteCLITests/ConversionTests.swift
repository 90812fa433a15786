import Testing
import VARJSON
import VARTestSupport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// `varconvert` on a checkpoint of 300 MB: its memory, and what is left when it is killed or the disk is full.
@Suite(.serialized) struct ConversionTests {
  /// The checkpoint, and the file that an undisturbed conversion makes of it.
  private struct Reference {
    let folder = TemporaryDirectory()
    var source: String { folder.path + "/source" }
    var model: String { folder.path + "/whole.vq4" }
    var report = ""
  }

  private func makeReference(_ arguments: [String] = []) throws -> Reference {
    var reference = Reference()
    guard mkdir(reference.source, 0o755) == 0 else { throw FixtureError("no folder") }
    try MidSizeCheckpoint.write(to: reference.source)
    let result = try Programs.varconvert(
      [reference.source, "-o", reference.model, "--json", "--quiet"] + arguments)
    expectDone(result)
    reference.report = result.text
    return reference
  }

  private func isEqual(_ first: String, _ second: String) throws -> Bool {
    try ProgramRunner(path: "/usr/bin/cmp").run(["-s", first, second]).status == 0
  }

  /// Runs `varconvert` in a shell; `$0` is the program.
  private func shell(_ script: String, _ arguments: [String]) throws -> Programs.Result {
    let program = try ProgramRunner.built("varconvert").path
    return try ProgramRunner(path: "/bin/sh").run(["-c", script, program] + arguments)
  }

  @Test func memoryStaysBelowTheBudget() throws {
    let reference = try makeReference()
    let size = MidSizeCheckpoint.byteCount
    let plan = try Programs.varconvert(["plan", reference.source, "--json"]).json()
    let planned = try #require(plan["memory_bytes"]?.integerValue)
    let least = try #require(plan["minimum_memory_bytes"]?.integerValue)
    let report = try JSONValue(parsing: reference.report)
    let peak = try #require(report["peak_memory_bytes"]?.integerValue)
    #expect(peak <= planned, "peak \(peak), planned \(planned)")
    #expect(planned < size / 2 && least < planned)
    let output = reference.folder.path + "/small.vq4"
    let small = try Programs.varconvert([
      reference.source, "-o", output, "--json", "--quiet", "--ram", "\(least)", "--threads", "16",
    ]).json()
    let smallPeak = try #require(small["peak_memory_bytes"]?.integerValue)
    #expect(smallPeak <= least, "peak \(smallPeak), granted \(least)")
    #expect(try isEqual(reference.model, output))
    let refused = try Programs.varconvert([
      reference.source, "-o", output, "--force", "--ram", "\(least - 1)",
    ])
    #expect(refused.status == Programs.Status.noResources)
    #expect(refused.errorText.contains("\(least) bytes"))
    #expect(try isEqual(reference.model, output))
  }

  /// Tensors of PyTorch's files are read in pieces, too.
  @Test func memoryStaysBelowTheBudgetWithTorchFiles() throws {
    let folder = TemporaryDirectory()
    let (source, model) = (folder.file("source"), folder.file("m.vq4"))
    folder.makeDirectory("source")
    try MidSizeCheckpoint.write(to: source, isTorch: true)
    let plan = try Programs.varconvert(["plan", source, "--json"]).json()
    let least = try #require(plan["minimum_memory_bytes"]?.integerValue)
    #expect(least < MidSizeCheckpoint.byteCount / 2)
    let report = try Programs.varconvert([
      source, "-o", model, "--json", "--quiet", "--ram", "\(least)",
    ]).json()
    let peak = try #require(report["peak_memory_bytes"]?.integerValue)
    #expect(peak <= least, "peak \(peak), granted \(least)")
    // The same weights as from safetensors.
    folder.makeDirectory("same")
    try MidSizeCheckpoint.write(to: folder.file("same"))
    expectDone(try Programs.varconvert(["check", folder.file("same"), model, "--quiet"]))
  }

  @Test func killedAtAnyMomentItGoesOnToTheSameBytes() throws {
    let reference = try makeReference(["--threads", "1", "--layout", "compact"])
    let output = reference.folder.path + "/killed.vq4"
    let arguments = [
      reference.source, "-o", output, "--threads", "1", "--layout", "compact", "--resume",
    ]
    var random = SplitMix64(seed: 11)
    var kills = 0
    var wasWhole = false
    // On a slow machine each run gets longer, so that the loop ends.
    for attempt in 0..<40 {
      let tenths = 3 + Int.random(in: 0...4, using: &random) + attempt / 4
      let result = try shell(
        "limit=$1; shift; exec timeout -s KILL $limit \"$0\" \"$@\"",
        ["\(tenths / 10).\(tenths % 10)"] + arguments)
      if result.status == 0 { break }
      try #require(result.status == 137, "\(result.errorText)")
      kills += 1
      // The kill may come between the file's last name and the program's end.
      wasWhole = access(output, F_OK) == 0
      if wasWhole { break }
    }
    #expect(kills > 0)
    #expect(try isEqual(reference.model, output))
    let names = reference.folder.names().filter { !wasWhole || $0 != "killed.vq4.journal" }
    #expect(names == ["killed.vq4", "source", "whole.vq4"])
  }

  @Test func controlCKeepsWhatIsDone() throws {
    let reference = try makeReference(["--threads", "1"])
    let output = reference.folder.path + "/stopped.vq4"
    let arguments = [reference.source, "-o", output, "--threads", "1"]
    // Interrupted when the journal has grown beyond its first record.
    let stopped = try shell(
      """
      # A script's background jobs ignore SIGINT.
      env --default-signal=INT "$0" "$@" & process=$!
      while kill -0 $process 2>/dev/null; do
        size=$(stat -c %s "$3.journal" 2>/dev/null || echo 0)
        [ "$size" -gt 4000 ] && break
      done
      kill -INT $process; wait $process
      """, arguments)
    // A fast machine may be done before the signal comes.
    guard stopped.status != 0 else { return }
    #expect(stopped.status == Programs.Status.interrupted, "\(stopped.errorText)")
    #expect(stopped.errorText.contains("--resume") && stopped.errorText.contains("% is done"))
    let again = try Programs.varconvert(arguments)
    #expect(again.status == Programs.Status.usage && again.errorText.contains("--resume"))
    let other = try Programs.varconvert(arguments + ["--resume", "--recipe", "int8"])
    #expect(other.status == Programs.Status.usage && other.errorText.contains("recipe"))
    let done = try Programs.varconvert(arguments + ["--resume"])
    expectDone(done)
    #expect(done.errorText.contains("going on at"))
    #expect(try isEqual(reference.model, output))
  }

  /// Whether this process may put a disk of its own somewhere.
  private static let canMount =
    (try? ProgramRunner(path: "/bin/sh").run([
      "-c", "unshare -rm sh -c 'mount -t tmpfs -o size=1m tmpfs /mnt'",
    ]))?.status == 0

  @Test(.enabled(if: canMount, "needs a user namespace that may mount"))
  func aDiskWithoutRoomIsToldBeforeTheStart() throws {
    let folder = TemporaryDirectory()
    let result = try shell(
      """
      exec unshare -rm sh -c '
        mount -t tmpfs -o size=2m tmpfs "$2" && "$0" "$1" -o "$2/m.vq4"
        status=$?; ls -A "$2"; exit $status' "$0" "$@"
      """, [Fixtures.path("tiny"), folder.path])
    #expect(result.status == Programs.Status.noResources, "\(result.errorText)")
    #expect(result.errorText.contains("bytes free; make room"), "\(result.errorText)")
    #expect(result.text.isEmpty)
    #expect(result.errorLines.count == 1, "\(result.errorText)")
  }

  @Test func aFullDiskEndsInOneMessageAndCanBeResumed() throws {
    let reference = try makeReference(["--threads", "1"])
    let output = reference.folder.path + "/full.vq4"
    let arguments = [reference.source, "-o", output, "--threads", "1", "--quiet"]
    // A limit on the size of files stands for a full disk; shells count in 512 or 1024 bytes.
    let result = try shell("ulimit -f 80000; exec \"$0\" \"$@\"", arguments)
    #expect(result.status == Programs.Status.noResources, "\(result.errorText)")
    #expect(result.errorLines.first?.contains(output) == true, "\(result.errorText)")
    #expect(access(output, F_OK) != 0)
    expectDone(try Programs.varconvert(arguments + ["--resume"]))
    #expect(try isEqual(reference.model, output))
  }
}
