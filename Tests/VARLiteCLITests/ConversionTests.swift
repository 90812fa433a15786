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
  /// The checkpoint, and the file that an undisturbed conversion makes of it, for all tests of the suite.
  private struct Reference {
    let folder = TemporaryDirectory()
    var source: String { folder.file("source") }
    var model: String { folder.file("whole.vq4") }
  }

  private nonisolated(unsafe) static var folder: TemporaryDirectory?

  private static let reference = Swift.Result<Reference, any Error> {
    let reference = Reference()
    folder = reference.folder
    atexit { ConversionTests.folder = nil }
    reference.folder.makeDirectory("source")
    try MidSizeCheckpoint.write(to: reference.source)
    expectDone(
      try Programs.varconvert(
        [reference.source, "-o", reference.model, "--no-preview-map", "--quiet"]))
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
    let source = try Self.reference.get().source
    let folder = TemporaryDirectory()
    let size = MidSizeCheckpoint.byteCount
    let plan = try Programs.varconvert(["plan", source, "--json"]).json()
    let planned = try #require(plan["memory_bytes"]?.integerValue)
    let least = try #require(plan["minimum_memory_bytes"]?.integerValue)
    #expect(planned < size / 2 && least < planned)
    let (whole, small) = (folder.file("whole.vq4"), folder.file("small.vq4"))
    for (output, limit, more) in [
      (whole, planned, []), (small, least, ["--ram", "\(least)", "--threads", "16"]),
    ] {
      let report = try Programs.varconvert([source, "-o", output, "--json", "--quiet"] + more)
      let peak = try #require(try report.json()["peak_memory_bytes"]?.integerValue)
      #expect(peak <= limit, "peak \(peak), granted \(limit)")
    }
    #expect(try isEqual(whole, small))
    let refused = try Programs.varconvert([
      source, "-o", small, "--force", "--ram", "\(least - 1)",
    ])
    #expect(refused.status == Programs.Status.noResources)
    #expect(refused.errorText.contains("\(least) bytes"))
    #expect(try isEqual(whole, small))
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
      source, "-o", model, "--no-preview-map", "--json", "--quiet", "--ram", "\(least)",
    ]).json()
    let peak = try #require(report["peak_memory_bytes"]?.integerValue)
    #expect(peak <= least, "peak \(peak), granted \(least)")
    // The same weights as from safetensors.
    let same = try Self.reference.get().source
    expectDone(try Programs.varconvert(["check", same, model, "--quiet"]))
  }

  /// Factors of adapters are in the budget, too.
  @Test func memoryStaysBelowTheBudgetWithAdapters() throws {
    let folder = TemporaryDirectory()
    let (source, model) = (try Self.reference.get().source, folder.file("m.vq4"))
    folder.makeDirectory("sft")
    let rank = 256
    var random = SplitMix64(seed: 3)
    var tensors: [SmallCheckpoint.Tensor] = []
    func add(_ name: String, _ shape: [Int]) {
      let values = (0..<shape[0] * shape[1]).map { _ in random.nextFloat() / 64 }
      tensors.append(SmallCheckpoint.Tensor(name: name, shape: shape, values: values))
    }
    for (module, rows, cols) in [
      ("mlp.down_proj", 1024, 4096), ("mlp.up_proj", 4096, 1024), ("self_attn.q_proj", 1024, 1024),
    ] {
      add("base_model.model.model.layers.3.\(module).lora_A.weight", [rank, cols])
      add("base_model.model.model.layers.3.\(module).lora_B.weight", [rows, rank])
    }
    add("base_model.model.model.embed_tokens.lora_embedding_A", [rank, 20_000])
    add("base_model.model.model.embed_tokens.lora_embedding_B", [1024, rank])
    folder.write("sft/adapter_model.safetensors", SmallCheckpoint.safetensors(tensors))
    tensors = []
    folder.write(
      "sft/adapter_config.json", #"{"peft_type": "LORA", "r": \#(rank), "lora_alpha": 64}"#)
    let adapter = ["--lora", folder.file("sft") + ":0.5"]
    func planned(_ more: [String]) throws -> (least: Int, whole: Int) {
      let plan = try Programs.varconvert(["plan", source, "--json", "--threads", "2"] + more).json()
      return (
        try #require(plan["minimum_memory_bytes"]?.integerValue),
        try #require(plan["memory_bytes"]?.integerValue)
      )
    }
    let (least, whole) = try planned(adapter)
    // A factor of 256 rows and 4096 columns for the reader and for each thread.
    #expect(try least - planned([]).least >= 2 * rank * 4096 * 4)
    #expect(try whole - planned([]).whole >= 3 * rank * 4096 * 4)
    let other = folder.file("n.vq4")
    for (output, arguments, limit) in [
      (model, ["--threads", "2"], whole), (other, ["--ram", "\(least)", "--threads", "1"], least),
    ] {
      let report = try Programs.varconvert(
        [source, "-o", output, "--json", "--quiet"] + adapter + arguments
      ).json()
      let peak = try #require(report["peak_memory_bytes"]?.integerValue)
      #expect(peak <= limit, "peak \(peak), granted \(limit)")
    }
    #expect(try isEqual(model, other))
    expectDone(try Programs.varconvert(["check", source, model, "--quiet"] + adapter))
  }

  @Test func scalesOfAdaptersAreChecked() throws {
    let folder = TemporaryDirectory()
    for (text, part) in [(":", "absent"), ("x:nan", "finite"), ("x:inf", "finite"), ("", "name")] {
      let result = try Programs.varconvert(
        ["plan", Fixtures.path("tiny"), "--lora", text == ":" ? folder.file("absent") : text])
      #expect(
        result.status == (text == ":" ? Programs.Status.badInput : Programs.Status.usage), "\(text)"
      )
      #expect(result.errorText.contains(part), "\(result.errorText)")
    }
    // A directory may have a colon in its name.
    folder.makeDirectory("a:2")
    let named = try Programs.varconvert(
      ["plan", Fixtures.path("tiny"), "--lora", folder.file("a:2")])
    #expect(named.status == Programs.Status.badInput)
    #expect(named.errorText.contains("a:2: holds no adapter_config.json"), "\(named.errorText)")
    #expect(named.errorLines.count == 1)
  }

  @Test func aStoppedDownloadIsRefusedBeforeAnythingIsWritten() throws {
    let folder = TemporaryDirectory()
    var small = SmallCheckpoint()
    let name = "model.layers.1.mlp.down_proj.weight"
    small[name].values = small[name].values.map { _ in 0 }
    small.write(to: folder.path)
    let output = folder.file("m.vq4")
    for arguments in [["plan", folder.path], [folder.path, "-o", output, "--quiet"]] {
      let refused = try Programs.varconvert(arguments)
      #expect(refused.status == Programs.Status.badInput)
      #expect(refused.text.isEmpty && refused.errorLines.count == 1, "\(refused.errorText)")
      #expect(refused.errorText.contains(name))
      #expect(refused.errorText.contains("--allow-zero-weights"))
      #expect(access(output, F_OK) != 0)
      expectDone(try Programs.varconvert(arguments + ["--allow-zero-weights"]))
    }
  }

  @Test func aFinishedFileIsDone() throws {
    let folder = TemporaryDirectory()
    let output = folder.file("m.vq4")
    let arguments = [Fixtures.path("tiny"), "-o", output, "--no-preview-map", "--resume"]
    let first = try Programs.varconvert(arguments)
    expectDone(first)
    let again = try Programs.varconvert(arguments)
    expectDone(again)
    #expect(again.errorText.contains("is there already"))
    let hash = try #require(first.text.split(separator: "\n").last)
    #expect(hash.hasPrefix("content hash ") && again.text.contains(hash))
    let json = try Programs.varconvert(arguments + ["--json"]).json()
    #expect(json["finished_before"]?.boolValue == true)
    for other in [["--recipe", "int8"], ["--layout", "map"]] {
      let refused = try Programs.varconvert(arguments + other)
      #expect(refused.status == Programs.Status.usage, "\(refused.errorText)")
      #expect(refused.errorText.contains("exists"))
    }
  }

  @Test func killedAtAnyMomentItGoesOnToTheSameBytes() throws {
    let reference = try Self.reference.get()
    let folder = TemporaryDirectory()
    let output = folder.file("killed.vq4")
    let arguments = [
      reference.source, "-o", output, "--threads", "1", "--no-preview-map", "--resume",
    ]
    var random = SplitMix64(seed: 11)
    var kills = 0
    var wasWhole = false
    for _ in 0..<16 {
      let tenths = 3 + Int.random(in: 0...4, using: &random)
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
    if access(output, F_OK) != 0 { expectDone(try Programs.varconvert(arguments)) }
    #expect(try isEqual(reference.model, output))
    #expect(folder.names().filter { !wasWhole || $0 != "killed.vq4.journal" } == ["killed.vq4"])
  }

  @Test func controlCKeepsWhatIsDone() throws {
    let reference = try Self.reference.get()
    let folder = TemporaryDirectory()
    let output = folder.file("stopped.vq4")
    let arguments = [
      reference.source, "-o", output, "--threads", "1", "--no-preview-map",
    ]
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
    let reference = try Self.reference.get()
    let folder = TemporaryDirectory()
    let output = folder.file("full.vq4")
    let arguments = [
      reference.source, "-o", output, "--threads", "1", "--no-preview-map", "--quiet",
    ]
    // A limit on the size of files stands for a full disk; shells count in 512 or 1024 bytes.
    let result = try shell("ulimit -f 80000; exec \"$0\" \"$@\"", arguments)
    #expect(result.status == Programs.Status.noResources, "\(result.errorText)")
    #expect(result.errorLines.first?.contains(output) == true, "\(result.errorText)")
    #expect(access(output, F_OK) != 0)
    expectDone(try Programs.varconvert(arguments + ["--resume"]))
    #expect(try isEqual(reference.model, output))
  }
}
