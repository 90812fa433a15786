import Testing
import VARJSON
import VARTestSupport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// `varlite repack`.
@Suite struct RepackTests {
  private static let answer = ["understand", "Who are you?", "--max-tokens", "8", "--quiet", "-m"]

  @Test func layoutsHoldTheSameModel() throws {
    let folder = TemporaryDirectory()
    let model = try Programs.model.get()
    let before = try Programs.varlite(["info", model, "--json"]).json()
    let text = try Programs.varlite(Self.answer + [model]).text
    var sizes: [String: Int] = [:]
    for layout in ["map", "compact", "auto"] {
      let output = folder.file(layout)
      let report = try Programs.varlite([
        "repack", model, "-o", output, "--layout", layout, "--json", "--quiet",
      ]).json()
      sizes[layout] = try Fixtures.readFile(output).count
      #expect(report["bytes"]?.integerValue == sizes[layout])
      #expect(report["content_hash"] == before["content hash"])
      #expect(report["layout"]?.stringValue == layout)
      expectDone(try Programs.varlite(["verify", output]))
      #expect(try Programs.varlite(Self.answer + [output]).text == text)
    }
    #expect(sizes["compact"]! <= sizes["auto"]! && sizes["auto"]! <= sizes["map"]!)
    #expect(sizes["compact"]! < sizes["map"]!)
    // There and back.
    let again = folder.file("again")
    let result = try Programs.varlite([
      "repack", folder.file("compact"), "-o", again, "--layout", "map",
    ])
    expectDone(result)
    #expect(result.text.hasPrefix(again) && result.errorText.contains("repacking: 100 %"))
    #expect(try Fixtures.readFile(again) == Fixtures.readFile(folder.file("map")))
    #expect(folder.names() == ["again", "auto", "compact", "map"])
  }

  @Test func outputsAreProtected() throws {
    let folder = TemporaryDirectory()
    let model = folder.file("m.vq4")
    folder.write("m.vq4", try Fixtures.readFile(Programs.model.get()))
    folder.write("notes", "Keep this.")
    #expect(symlink("m.vq4", folder.file("link")) == 0)
    func repack(_ output: String, _ more: String...) throws -> Programs.Result {
      try Programs.varlite(["repack", model, "-o", output, "--layout", "map", "--quiet"] + more)
    }
    // The file itself, also by another name.
    for output in [model, folder.path + "/./m.vq4", folder.file("link")] {
      expectFailure(try repack(output, "--force"), Programs.Status.usage, output)
    }
    expectFailure(try repack(folder.file("notes")), Programs.Status.usage, "notes")
    expectFailure(try repack(folder.file("notes"), "--force"), Programs.Status.usage, "notes")
    expectFailure(try repack(folder.path, "--force"), Programs.Status.usage, folder.path)
    expectFailure(try repack(""), Programs.Status.usage, "empty name")
    expectFailure(try repack("/nowhere/m.vq4"), Programs.Status.noResources, "/nowhere/m.vq4")
    expectDone(try repack(folder.file("n.vq4")))
    expectFailure(try repack(folder.file("n.vq4")), Programs.Status.usage, "--force")
    expectDone(try repack(folder.file("n.vq4"), "--force"))
    #expect(folder.names() == ["link", "m.vq4", "n.vq4", "notes"])
    #expect(try Fixtures.readFile(folder.file("notes")) == Array("Keep this.".utf8))
  }

  @Test func filesBesideTheOutputAreProtected() throws {
    let folder = TemporaryDirectory()
    let bytes = try Fixtures.readFile(Programs.model.get())
    folder.write("m.vq4.partial", bytes)
    let output = folder.file("m.vq4")
    for more in [[], ["--force"]] {
      expectFailure(
        try Programs.varlite(
          ["repack", output + ".partial", "-o", output, "--layout", "map", "--quiet"] + more),
        Programs.Status.usage, "m.vq4.partial: is read by this run")
    }
    #expect(try Fixtures.readFile(output + ".partial") == bytes)
    folder.write("m.vq4.partial", "Keep this.")
    for more in [[], ["--force"]] {
      expectFailure(
        try Programs.varlite(
          ["repack", Programs.model.get(), "-o", output, "--layout", "map", "--quiet"] + more),
        Programs.Status.usage, "m.vq4.partial: is not what an earlier run left")
    }
    #expect(try Fixtures.readFile(output + ".partial") == Array("Keep this.".utf8))
    #expect(folder.names() == ["m.vq4.partial"])
  }

  @Test func faultsAreTold() throws {
    let folder = TemporaryDirectory()
    let output = folder.file("o.vq4")
    let model = try Programs.model.get()
    expectFailure(
      try Programs.varlite(["repack", model, "-o", output]), Programs.Status.usage, "--layout")
    expectFailure(
      try Programs.varlite(["repack", model, "-o", output, "--layout", "tiny"]),
      Programs.Status.usage, "layout")
    expectFailure(
      try Programs.varlite(["repack", folder.file("none"), "-o", output, "--layout", "map"]),
      Programs.Status.badInput, folder.file("none"))
    var bytes = try Fixtures.readFile(model)
    bytes[bytes.count / 2] ^= 1
    folder.write("bad.vq4", bytes)
    expectFailure(
      try Programs.varlite([
        "repack", folder.file("bad.vq4"), "-o", output, "--layout", "compact", "--quiet",
      ]), Programs.Status.badInput, "bad.vq4", "hash")
    // A limit on the size of files stands for a full disk.
    expectFailure(
      try Programs.shell(
        "ulimit -f 2000; exec \"$0\" \"$@\"",
        ["repack", model, "-o", output, "--layout", "map", "--quiet"]),
      Programs.Status.noResources, output)
    #expect(folder.names() == ["bad.vq4"])
  }

  /// Without rights there is no small disk to fill; the numbers are told where one can be made.
  @Test func aDiskThatIsTooSmallIsToldBeforeTheWork() throws {
    let folder = TemporaryDirectory()
    let model = try Programs.model.get()
    let result = try Programs.shell(
      """
      cd "$2"; mkdir disk
      unshare -rm sh -c '
        mount -t tmpfs -o size=4m none disk || exit 77
        "$0" repack "$1" -o disk/m.vq4 --layout map --quiet; status=$?
        ls disk; exit $status' "$0" "$1"
      """, [model, folder.path])
    if result.status == 77 || result.errorText.contains("unshare") { return }
    expectFailure(result, Programs.Status.noResources, "disk/m.vq4", "too little room", "up to")
  }

  @Test(arguments: ["INT", "TERM", "HUP"])
  func aSignalLeavesNothing(_ signal: String) throws {
    let folder = TemporaryDirectory()
    let model = try Programs.model.get()
    let result = try Programs.shell(
      """
      # A script's background jobs ignore SIGINT.
      env --default-signal=INT "$0" repack "$1" -o "$2/m.vq4" --layout compact --quiet & process=$!
      while [ ! -e "$2/m.vq4.partial" ] && kill -0 $process; do :; done
      kill -$3 $process; wait $process
      """, [model, folder.path, signal])
    // The work may be done before the signal comes; half a file may not stay.
    let names = folder.names()
    #expect(result.status == Programs.Status.interrupted ? names.isEmpty : names == ["m.vq4"])
  }

  /// `nohup`, and background jobs of scripts.
  @Test(arguments: ["INT", "TERM", "HUP"])
  func aSignalThatWasIgnoredStaysIgnored(_ signal: String) throws {
    let folder = TemporaryDirectory()
    let result = try Programs.shell(
      """
      trap '' $3
      "$0" repack "$1" -o "$2/m.vq4" --layout compact --quiet & process=$!
      while [ ! -e "$2/m.vq4.partial" ] && kill -0 $process; do :; done
      kill -$3 $process; wait $process
      """, [Programs.model.get(), folder.path, signal])
    #expect(result.status == 0, "\(result.errorText)")
    #expect(folder.names() == ["m.vq4"])
  }
}
