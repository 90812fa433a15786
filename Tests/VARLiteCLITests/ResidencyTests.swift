import Testing
import VARTestSupport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// `--residency`, and files that change while they are used.
@Suite struct ResidencyTests {
  @Test func everyResidencyDrawsTheSame() throws {
    let folder = TemporaryDirectory()
    var pictures: [[UInt8]] = []
    for residency in ["automatic", "map", "load", "stream"] {
      let output = folder.file("\(residency).png")
      let result = try Programs.varlite([
        "generate", Programs.redCircle, "-o", output, "--force-image", "--residency", residency,
      ])
      expectDone(result)
      #expect(result.errorText.contains("loading") == (residency == "load"))
      pictures.append(try Fixtures.readFile(output))
    }
    #expect(pictures.allSatisfy { $0 == pictures[0] })
    expectFailure(
      try Programs.varlite(["understand", "a", "--residency", "disk"]), Programs.Status.usage,
      "--residency")
  }

  /// Runs a chat over a copy of the model, cuts the file once the chat has opened it, and then says something.
  private func chatWhileCut(_ folder: TemporaryDirectory, _ residency: String) throws
    -> Programs.Result
  {
    folder.write("model.vq4", try Fixtures.readFile(Programs.model.get()))
    return try Programs.shell(
      """
      cd "$1"; mkfifo in
      "$0" chat -m model.vq4 --residency "$2" < in & process=$!
      exec 3> in
      while ! grep -q model.vq4 /proc/$process/maps; do
        kill -0 $process || exit 99
        sleep 0.05
      done
      # What is read at the start lies at the end of the file and is soon done.
      sleep 0.5
      truncate -s 100000 model.vq4
      echo "Who are you?" >&3
      exec 3>&-
      wait $process
      """, [folder.path, residency])
  }

  /// What stands there now is not what was checked when the model was opened.
  @Test(arguments: ["map", "load", "stream"])
  func aFileThatWasCutIsRefusedByTheNextRequest(residency: String) throws {
    let folder = TemporaryDirectory()
    let result = try chatWhileCut(folder, residency)
    expectFailure(
      result, Programs.Status.badInput, "varlite: model.vq4: the file was cut short")
  }

  /// Draws with a copy of the model, and cuts the file while the program waits for somebody to read its progress.
  private func drawWhileCut(_ folder: TemporaryDirectory, _ residency: String) throws
    -> Programs.Result
  {
    // Only raw streams are used in place.
    expectDone(
      try Programs.varlite([
        "repack", Programs.model.get(), "-o", folder.file("model.vq4"), "--layout", "map",
        "--quiet",
      ]))
    return try Programs.shell(
      """
      cd "$1"; mkfifo err; exec 4<> err
      # The pipe is full before the program has said anything.
      head -c 65536 /dev/zero >&4
      "$0" generate "$3" --force-image -o a.png -m model.vq4 --residency "$2" 2>&4 & process=$!
      while ! grep -q model.vq4 /proc/$process/maps; do
        kill -0 $process || exit 99
        sleep 0.05
      done
      sleep 0.5
      truncate -s 100000 model.vq4
      head -c 65536 <&4 > /dev/null
      cat <&4 >&2 & reader=$!
      wait $process; status=$?
      sleep 0.2; kill $reader
      exit $status
      """, [folder.path, residency, Programs.redCircle])
  }

  @Test func aMappedFileThatIsCutEndsWithALine() throws {
    let folder = TemporaryDirectory()
    let result = try drawWhileCut(folder, "map")
    expectFailure(
      result, Programs.Status.badInput, "varlite: model.vq4: cannot be read at offset",
      "cut short")
    #expect(!folder.names().contains("a.png"))
  }

  @Test func aStreamedFileThatIsCutIsAnError() throws {
    let folder = TemporaryDirectory()
    let result = try drawWhileCut(folder, "stream")
    expectFailure(
      result, Programs.Status.badInput, "varlite: model.vq4: tensor", "cut short")
    #expect(!folder.names().contains("a.png"))
  }
}
