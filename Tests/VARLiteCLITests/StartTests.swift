import Testing
import VARJSON
import VARTestSupport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// What programs are started with: arguments, names, descriptors, and a system that lacks something.
@Suite struct StartTests {
  static let programs = ["varlite", "varconvert", "varbench"]
  private static let prompt = "Draw a big red circle on the left on a mint background."

  // MARK: Without /proc

  /// Runs a program where `/proc` is an empty folder.
  private func runWithoutProc(
    _ program: String, _ arguments: [String], environment: [String] = [], more: String = "true"
  ) throws -> Programs.Result {
    var runner = ProgramRunner(path: "/bin/sh")
    runner.environment += environment
    return try runner.run(
      [
        "-c",
        """
        exec unshare -rm sh -c 'mount -t tmpfs none /proc && \(more) && exec "$0" "$@"' "$0" "$@"
        """, ProgramRunner.built(program).path,
      ] + arguments)
  }

  @Test(.enabled(if: Namespaces.canMount, "\(Namespaces.needsMounts)"), arguments: programs)
  func argumentsArriveWithoutProc(_ program: String) throws {
    let unknown = try runWithoutProc(
      program, (program == "varconvert" ? ["a", "-o", "b"] : []) + ["--frobnicate"])
    #expect(unknown.status == Programs.Status.usage, "\(unknown.errorText)")
    #expect(unknown.errorText.contains("--frobnicate") && unknown.output.isEmpty)
    let none = try runWithoutProc(program, [])
    #expect(none.status == Programs.Status.usage && none.output.isEmpty)
  }

  @Test(.enabled(if: Namespaces.canMount, "\(Namespaces.needsMounts)"))
  func filesAreReadWithoutProc() throws {
    expectFailure(
      try runWithoutProc("varlite", ["verify", "/nonexistent.vq4"]), Programs.Status.badInput,
      "/nonexistent.vq4")
    let folder = TemporaryDirectory()
    let model = folder.file("m.vq4")
    let tiny = Fixtures.path("tiny")
    expectDone(
      try runWithoutProc(
        "varconvert",
        [tiny, "-o", model, "--precision", "f32", "--no-preview-map", "--quiet"]))
    #expect(try Fixtures.readFile(model) == Fixtures.readFile(Programs.modelWithoutMap.get()))
    #expect(folder.names() == ["m.vq4"])
  }

  /// The demo model lies beside the program's own file, whatever name that was started by.
  @Test(.enabled(if: Namespaces.canMount, "\(Namespaces.needsMounts)"))
  func theDemoModelAndTheBudgetAreFoundWithoutProc() throws {
    let folder = TemporaryDirectory()
    let program = try ProgramRunner.built("varlite")
    expectDone(try program.run(["generate", Self.prompt, "-o", folder.file("a.png"), "--quiet"]))
    for residency in ["automatic", "stream"] {
      let result = try runWithoutProc(
        "varlite",
        [
          "generate", Self.prompt, "-o", folder.file("b.png"), "--residency", residency, "--json",
        ])
      let picture = try Fixtures.readFile(folder.file("b.png"))
      #expect(try picture == Fixtures.readFile(folder.file("a.png")))
      let memory = try result.json()["memory"]
      #expect((memory?["peak_bytes"]?.integerValue ?? 0) > 10 << 20, "\(result.text)")
    }
    // By a link in another folder, and by a path that is relative.
    #expect(symlink(program.path, folder.file("link")) == 0)
    for script in ["exec \"$0/link\" info", "cd \"$0\" && exec ./link info"] {
      let result = try ProgramRunner(path: "/bin/sh").run([
        "-c", "exec unshare -rm sh -c 'mount -t tmpfs none /proc && \(script)' \"$0\"", folder.path,
      ])
      expectDone(result)
      #expect(result.text.contains("content hash"))
    }
  }

  @Test(
    .enabled(if: Namespaces.canMount, "\(Namespaces.needsMounts)"),
    .enabled(if: FaultyCalls.isAvailable, "\(FaultyCalls.need)"))
  func aBudgetIsDemandedWhereNothingTellsTheMemory() throws {
    let environment = try FaultyCalls.environment([.sysinfo: ENOSYS])
    let folder = TemporaryDirectory()
    let arguments = ["generate", Self.prompt, "-o", folder.file("a.png"), "--quiet"]
    expectFailure(
      try runWithoutProc("varlite", arguments, environment: environment), Programs.Status.usage,
      "how much memory", "--ram")
    #expect(folder.names().isEmpty)
    expectDone(
      try runWithoutProc("varlite", arguments + ["--ram", "1G"], environment: environment))
    expectFailure(
      try runWithoutProc("varlite", arguments + ["--ram", "10M"], environment: environment),
      Programs.Status.noResources, "short")
  }

  // MARK: Standard descriptors

  private static let closings = [
    "<&-", ">&-", "2>&-", "<&- >&-", "<&- 2>&-", ">&- 2>&-", "<&- >&- 2>&-",
  ]

  @Test(arguments: closings)
  func filesNeverTakeTheNumberOfAStandardDescriptor(_ closing: String) throws {
    let folder = TemporaryDirectory()
    let model = try Programs.modelWithoutMap.get()
    let script = "exec \"$0\" \"$@\" \(closing)"
    func run(_ program: String, _ arguments: [String]) throws {
      let path = try ProgramRunner.built(program).path
      let result = try ProgramRunner(path: "/bin/sh").run(["-c", script, path] + arguments)
      #expect(result.status == 0, "\(arguments) \(result.errorText)")
    }
    try run("varlite", ["repack", model, "-o", folder.file("r.vq4"), "--layout", "auto"])
    try run("varlite", ["generate", Self.prompt, "-o", folder.file("a.png")])
    try run(
      "varconvert",
      [
        Fixtures.path("tiny"), "-o", folder.file("m.vq4"), "--precision", "f32",
        "--no-preview-map",
      ])
    #expect(try Fixtures.readFile(folder.file("m.vq4")) == Fixtures.readFile(model))
    expectDone(try Programs.varlite(["verify", folder.file("r.vq4"), "--quiet"]))
    let again = folder.file("b.png")
    expectDone(
      try ProgramRunner.built("varlite").run(["generate", Self.prompt, "-o", again, "--quiet"]))
    #expect(try Fixtures.readFile(folder.file("a.png")) == Fixtures.readFile(again))
    #expect(folder.names() == ["a.png", "b.png", "m.vq4", "r.vq4"])
  }

  @Test func aChatWithoutInputEnds() throws {
    let result = try Programs.shell("exec \"$0\" chat --quiet <&-", [])
    expectDone(result)
    #expect(result.output.isEmpty)
  }

  /// Without `/dev/null`, too.
  @Test(.enabled(if: Namespaces.canMount, "\(Namespaces.needsMounts)"))
  func descriptorsAreTakenWithoutDevices() throws {
    let folder = TemporaryDirectory()
    let model = try Programs.model.get()
    let result = try runWithoutProc(
      "varlite", ["repack", model, "-o", folder.file("r.vq4"), "--layout", "auto", "--quiet"],
      more: "mount -t tmpfs none /dev && exec <&- >&- 2>&-")
    #expect(result.status == 0)
    expectDone(try Programs.varlite(["verify", folder.file("r.vq4"), "--quiet"]))
  }

  // MARK: Names

  @Test(arguments: programs)
  func argumentsThatAreNotUTF8AreRefused(_ program: String) throws {
    let folder = TemporaryDirectory()
    let runner = try ProgramRunner.built(program)
    for arguments in [["-o", "?"], ["tokenize", "?"], ["?"]] {
      let name = Array(folder.path.utf8) + [0x2f, 0xff]
      let bytes = arguments.map { $0 == "?" ? name : Array($0.utf8) }
      let result = try runner.run(rawArguments: bytes)
      #expect(result.status == Programs.Status.usage)
      #expect(result.errorLines.count == 1 && result.output.isEmpty)
      let line = "\(program): argument \(arguments.count) is not UTF-8"
      #expect(result.errorText.hasPrefix(line), "\(result.errorText)")
    }
    #expect(folder.names().isEmpty)
  }

  @Test func variablesThatAreNotUTF8AreRefused() throws {
    let result = try ProgramRunner(path: "/bin/sh").run([
      "-c", "VARLITE_MODEL=$(printf '/tmp/\\377') exec \"$0\" info",
      ProgramRunner.built("varlite").path,
    ])
    expectFailure(result, Programs.Status.usage, "VARLITE_MODEL", "UTF-8")
  }

  /// A name that is text may lead to one that is none.
  @Test func outputsGoThroughLinksAndFoldersThatAreNotUTF8() throws {
    let folder = TemporaryDirectory()
    let program = try ProgramRunner.built("varlite").path
    let result = try ProgramRunner(path: "/bin/sh").run([
      "-c",
      """
      cd "$1"; name=$(printf '\\377'); echo old > "$name.png"; ln -s "$name.png" link.png
      mkdir "$name"; echo old > "$name/a.png"
      "$0" generate "$2" -o link.png --quiet || exit
      "$0" generate "$2" -o whole.png --quiet || exit
      cd "$name"; "$0" generate "$2" -o a.png --quiet || exit
      cmp a.png ../whole.png && cmp "../$name.png" a.png && test -L ../link.png && ls | wc -l
      """, program, folder.path, Self.prompt,
    ])
    expectDone(result)
    #expect(result.text == "1\n")
    #expect(folder.names().count == 4)
  }
}
