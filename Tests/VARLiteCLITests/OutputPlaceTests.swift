import Testing
import VARTestSupport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Outputs where a new file cannot stand: mounted by themselves, in folders that are read-only or belong to others, on
/// file systems that cannot be flushed or locked.
@Suite struct OutputPlaceTests {
  private static let prompt = "Draw a big red circle on the left on a mint background."

  private static let picture = Swift.Result<[UInt8], any Error> {
    let folder = TemporaryDirectory()
    let output = folder.file("a.png")
    let arguments = ["generate", prompt, "-o", output, "--quiet"]
    expectDone(try ProgramRunner.built("varlite").run(arguments))
    return try Fixtures.readFile(output)
  }

  /// Runs a script; `$0` is the folder, `$varlite` and `$varconvert` the programs, `$model` and `$tiny` a model and its
  /// checkpoint.
  private func run(
    _ script: String, in folder: TemporaryDirectory, environment: [String] = []
  ) throws -> Programs.Result {
    var runner = ProgramRunner(path: "/bin/sh")
    runner.environment += [
      "varlite=\(try ProgramRunner.built("varlite").path)",
      "varconvert=\(try ProgramRunner.built("varconvert").path)",
      "model=\(try Programs.model.get())", "tiny=\(Fixtures.path("tiny"))",
      "prompt=\(Self.prompt)",
    ]
    runner.environment += environment
    return try runner.run(["-c", "cd \"$0\"; \(script)", folder.path])
  }

  private static let drawing = "\"$varlite\" generate \"$prompt\" --quiet -o"
  private static let conversion = "\"$varconvert\" \"$tiny\" --precision f32 --quiet --force -o"
  private static let repacking = "\"$varlite\" repack \"$model\" --layout map --quiet --force -o"

  private func expectModel(_ path: String) throws {
    expectDone(try Programs.varlite(["verify", path, "--quiet"]))
  }

  // MARK: Files that are mounted by themselves

  /// An empty file, one with something in it, one on another file system.
  @Test(
    .enabled(if: Namespaces.canMount, "\(Namespaces.needsMounts)"),
    arguments: [
      ": > real", "echo old > real", "mount -t tmpfs none disk; ln -s disk/real real; : > real",
    ])
  func picturesGoIntoMountedFiles(_ setup: String) throws {
    let folder = TemporaryDirectory()
    let result = try run(
      """
      unshare -rm sh -c '
        mkdir disk; \(setup)
        : > out.png; mount --bind real out.png && \(Self.drawing) out.png && cp real copy.png'
      """, in: folder)
    expectDone(result)
    #expect(try Fixtures.readFile(folder.file("copy.png")) == Self.picture.get())
    #expect(!folder.names().contains { $0.hasSuffix(".partial") })
  }

  @Test(.enabled(if: Namespaces.canMount, "\(Namespaces.needsMounts)"), arguments: [false, true])
  func modelsGoIntoMountedFiles(isConversion: Bool) throws {
    let folder = TemporaryDirectory()
    let command = isConversion ? Self.conversion : Self.repacking
    let result = try run(
      """
      : > real; unshare -rm sh -c '
        : > out.vq4; mount --bind real out.vq4 && \(command) out.vq4 && \(command) out.vq4'
      """, in: folder)
    expectDone(result)
    try expectModel(folder.file("real"))
    #expect(folder.names() == ["out.vq4", "real"])
    if isConversion {
      #expect(try Fixtures.readFile(folder.file("real")) == Fixtures.readFile(Programs.model.get()))
    }
  }

  /// What is done is not thrown away where even that fails.
  @Test(.enabled(if: Namespaces.canMount, "\(Namespaces.needsMounts)"))
  func theResultIsKeptWhereTheMountedFileIsFull() throws {
    let folder = TemporaryDirectory()
    let mount = """
      mkdir disk; mount -t tmpfs -o size=4k none disk; : > disk/real
      : > out; mount --bind disk/real out
      """
    let drawn = try run("unshare -rm sh -c '\(mount); \(Self.drawing) out'", in: folder)
    expectFailure(
      drawn, Programs.Status.noResources, "out: cannot be written: No space left",
      "the result is in ")
    let names = folder.names().filter { $0.hasSuffix(".partial") }
    #expect(names.count == 1)
    #expect(try Fixtures.readFile(folder.file(names.first ?? "")) == Self.picture.get())
    let other = TemporaryDirectory()
    let packed = try run(
      """
      unshare -rm sh -c '\(mount); head -c 600 /dev/zero > out; \(Self.repacking) out; code=$?
      stat -c %s out > size; exit $code'
      """, in: other)
    expectFailure(
      packed, Programs.Status.noResources, "No space left", "the complete file is out.partial")
    try expectModel(other.file("out.partial"))
    #expect(try Fixtures.readFile(other.file("size")) == Array("600\n".utf8))
  }

  // MARK: Folders

  /// The folder `closed`, which takes no new file, with the file `a` that may be written.
  private func closedFolder(_ content: String = "") -> TemporaryDirectory {
    let folder = TemporaryDirectory()
    folder.makeDirectory("closed")
    folder.write("closed/a", content)
    chmod(folder.file("closed/a"), 0o666)
    chmod(folder.file("closed"), 0o555)
    return folder
  }

  @Test(arguments: ["", "An older picture, which is shorter."])
  func filesInClosedFoldersAreWritten(_ content: String) throws {
    let folder = closedFolder(content)
    defer { chmod(folder.file("closed"), 0o755) }
    expectDone(try run("\(Namespaces.withoutRights) \(Self.drawing) closed/a", in: folder))
    #expect(try Fixtures.readFile(folder.file("closed/a")) == Self.picture.get())
    expectFailure(
      try run("\(Namespaces.withoutRights) \(Self.drawing) closed/b", in: folder),
      Programs.Status.noResources, "closed/b: cannot be written: Permission denied")
  }

  @Test func modelsInClosedFoldersAreWritten() throws {
    let folder = closedFolder()
    defer { chmod(folder.file("closed"), 0o755) }
    for command in [Self.conversion, Self.repacking] {
      expectDone(try run("\(Namespaces.withoutRights) \(command) closed/a", in: folder))
      try expectModel(folder.file("closed/a"))
    }
    // What cannot be written leaves no half file; what cannot begin leaves the older one.
    let limited = try run(
      "ulimit -f 2000; exec \(Namespaces.withoutRights) \(Self.repacking) closed/a", in: folder)
    expectFailure(limited, Programs.Status.noResources, "closed/a", "File too large")
    #expect(try Fixtures.readFile(folder.file("closed/a")).isEmpty)
    // What a killed writer left begins with zeros.
    folder.write("closed/a", String(repeating: "\0", count: 512) + "half a model")
    expectDone(try run("\(Namespaces.withoutRights) \(Self.repacking) closed/a", in: folder))
    try expectModel(folder.file("closed/a"))
    folder.write("closed/a", "Keep this.")
    let refused = try run("\(Namespaces.withoutRights) \(Self.repacking) closed/a", in: folder)
    expectFailure(refused, Programs.Status.usage, "closed/a")
    #expect(try Fixtures.readFile(folder.file("closed/a")) == Array("Keep this.".utf8))
    #expect(folder.names() == ["closed"])
  }

  @Test func aFileThatIsTooSmallForThePictureKeepsItsContent() throws {
    let folder = closedFolder("Keep this.")
    defer { chmod(folder.file("closed"), 0o755) }
    let result = try run(
      "ulimit -f 2; exec \(Namespaces.withoutRights) \(Self.drawing) closed/a", in: folder)
    expectFailure(result, Programs.Status.noResources, "closed/a", "File too large")
    #expect(try Fixtures.readFile(folder.file("closed/a")) == Array("Keep this.".utf8))
  }

  /// In folders like `/tmp` nobody may replace the file of another user, who may let all write to it.
  @Test(.enabled(if: getuid() == 0, "only root can make a file of another user"))
  func filesOfOthersInSharedFoldersAreWritten() throws {
    let folder = TemporaryDirectory()
    folder.makeDirectory("shared")
    folder.write("shared/a", "")
    for name in ["shared", "shared/a"] { chown(folder.file(name), 65_534, 65_534) }
    chmod(folder.file("shared"), 0o1777)
    chmod(folder.file("shared/a"), 0o666)
    for command in [Self.drawing, Self.repacking] {
      folder.write("shared/a", "")
      expectDone(try run("\(Namespaces.withoutRights) \(command) shared/a", in: folder))
    }
    try expectModel(folder.file("shared/a"))
    chmod(folder.file("shared"), 0o755)
    #expect(TemporaryDirectory.names(folder.file("shared")) == ["a"])
  }

  // MARK: File systems

  @Test(
    .enabled(if: FaultyCalls.isAvailable, "\(FaultyCalls.need)"),
    arguments: [EINVAL, ENOSYS, EOPNOTSUPP])
  func whatCannotBeFlushedOrLockedIsWritten(_ code: Int32) throws {
    let folder = TemporaryDirectory()
    let environment = try FaultyCalls.environment([.fsync: code, .fdatasync: code, .flock: code])
    expectDone(
      try run(
        "\(Self.drawing) a.png && \(Self.conversion) m.vq4 && \(Self.repacking) r.vq4", in: folder,
        environment: environment))
    #expect(try Fixtures.readFile(folder.file("a.png")) == Self.picture.get())
    for name in ["m.vq4", "r.vq4"] { try expectModel(folder.file(name)) }
    #expect(folder.names() == ["a.png", "m.vq4", "r.vq4"])
  }

  /// A disk that fails is no such file system.
  ///
  /// One that has become read-only on an error refuses so to flush what it has lost.
  @Test(
    .enabled(if: FaultyCalls.isAvailable, "\(FaultyCalls.need)"),
    arguments: [(EIO, "Input/output error"), (EROFS, "Read-only file system")])
  func aDiskThatFailsIsTold(code: Int32, reason: String) throws {
    let folder = TemporaryDirectory()
    let environment = try FaultyCalls.environment([.fsync: code])
    expectFailure(
      try run("\(Self.drawing) a.png", in: folder, environment: environment),
      Programs.Status.noResources, "a.png: cannot be written: \(reason)")
    expectFailure(
      try run("\(Self.repacking) r.vq4", in: folder, environment: environment),
      Programs.Status.noResources, "r.vq4", reason)
    #expect(folder.names().isEmpty)
  }

  /// The file is there by then, under its own name; nothing is left to be taken up again.
  @Test(
    .enabled(if: FaultyCalls.isAvailable, "\(FaultyCalls.need)"),
    arguments: [conversion, repacking])
  func aFolderThatCannotBeFlushedIsTold(_ command: String) throws {
    let folder = TemporaryDirectory()
    let result = try run(
      "\(command) m.vq4", in: folder, environment: FaultyCalls.environment([.fsyncFolder: EIO]))
    #expect(result.status == Programs.Status.noResources, "\(result.errorText)")
    #expect(result.errorLines.count == 1)
    #expect(
      result.errorText.contains(
        "m.vq4: is complete, but its folder cannot be flushed to the disk: Input/output error"))
    #expect(result.errorText.contains("check the disk"))
    for words in ["partial", "resume"] { #expect(!result.errorText.contains(words)) }
    #expect(folder.names() == ["m.vq4"])
    try expectModel(folder.file("m.vq4"))
  }

  /// A picture is not written into the model that draws it, whatever the name is.
  @Test(.enabled(if: Namespaces.canMount, "\(Namespaces.needsMounts)"))
  func aMountedModelIsNotOverwritten() throws {
    let folder = TemporaryDirectory()
    let result = try run(
      """
      cp "$model" m.vq4; unshare -rm sh -c '
        : > out.png; mount --bind m.vq4 out.png && \(Self.drawing) out.png -m m.vq4'
      """, in: folder)
    expectFailure(result, Programs.Status.usage, "out.png: this run reads or writes that file")
    try expectModel(folder.file("m.vq4"))
  }

  @Test(.enabled(if: FaultyCalls.isAvailable, "\(FaultyCalls.need)"))
  func onlyALockOfAnotherProgramIsOne() throws {
    let folder = TemporaryDirectory()
    expectFailure(
      try run(
        "\(Self.repacking) r.vq4", in: folder,
        environment: FaultyCalls.environment([.flock: EWOULDBLOCK])),
      Programs.Status.noResources, "another program is writing this file")
  }
}
