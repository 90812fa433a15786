import ArgumentParser
import VARCanaries
import VARForcedRun
import VARJSON
import VARKernels
import VARLite
import VARSharedCLI
import VARSystem
import VQ4Format

struct CheckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Tells a good model file and good kernels from others, without the checkpoint.",
    discussion: """
      Checks every byte as verify does. Then each layer runs on what varconvert --canaries has stored, \
      and its output is held against the stored one: the error from full precision, and all bits.

      Exit code 0: as designed, or the file has no canaries and is intact. 1: the weights are right and \
      this machine's kernels, or this program, give other bits. 3: the file is damaged, or tensors are \
      another model's; they are named.
      """)

  @OptionGroup var model: ModelFileArgument

  @OptionGroup var processor: ProcessorOptions

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Memory that the check may take, with K, M or G; more is refused beforehand.",
      valueName: "bytes"))
  var ram: ByteCount?

  @Flag(help: "Print one JSON object instead of a table.")
  var json = false

  func run() throws {
    let path = try model.path()
    try ModelPath.check(path)
    let progress = ProgressLine(isQuiet: model.quiet, printsText: false)
    defer { progress.close() }
    let opened = try openModel(path)
    // What does not fit is refused before the file is read.
    let check = try Canaries(in: opened.file).map { try planned(opened, $0, progress) }
    try opened.file.verify(
      isCancelled: { Interruption.shouldStop },
      progress: { progress.percent("verifying", done: $0, total: $1) })
    let report = try check?.run()
    progress.close()
    guard let report else { return tellThatNoneAreHeld(opened) }
    if json {
      Console.output(JSONValue.object(JSONObject(facts(opened) + report.members)))
    } else if !model.quiet {
      Console.output(report.text)
    }
    for fault in report.faults { Console.error("varlite: \(path): \(fault)") }
    switch report.verdict {
    case .asDesigned: break
    case .otherTensors: throw ExitCode(Failure.Status.badInput.rawValue)
    case .wrongKernels, .otherProgram: throw ExitCode(Failure.Status.checkFailed.rawValue)
    }
  }

  private func openModel(_ path: String) throws -> Model {
    var options = Model.Options()
    options.readsAhead = false
    return try Runtime(
      options: Runtime.Options(
        threadCount: processor.threads, instructionSet: processor.instructionSet)
    ).open(path, options: options)
  }

  private func facts(_ model: Model) -> [(String, JSONValue)] {
    [
      ("file", .string(model.path)), ("bytes", .integer(model.fileByteCount)),
      ("content_hash", .string(model.contentHash)), ("intact", .bool(true)),
    ]
  }

  private func tellThatNoneAreHeld(_ model: Model) {
    if json { Console.output(JSONValue.object(JSONObject(facts(model) + [("verdict", .null)]))) }
    guard !self.model.quiet else { return }
    if !json {
      Console.output("\(model.path.printable): \(model.fileByteCount) bytes are intact\n")
    }
    Console.error(
      "varlite: \(model.path): holds no canaries, so its layers are not checked; varconvert "
        + "--canaries makes a file that has some")
  }

  private func planned(
    _ model: Model, _ canaries: Canaries, _ progress: ProgressLine
  ) throws -> CanaryCheck {
    let check = try CanaryCheck(
      model, canaries,
      ForcedRun.Options(
        isCancelled: { Interruption.shouldStop },
        progress: { progress.percent($0, done: $1, total: $2) }))
    let program = ProcessMemory.current()?.byteCount ?? 0
    let memory = try check.memoryByteCount + program
    if let ram, ram.bytes < memory {
      throw VARLiteError(
        .memory,
        "the check takes \(memory) bytes of memory, \(ram.bytes) are granted",
        remedies: [Remedy(.largerBudget, memory + (1 << 20) - 1)])
    }
    return check
  }
}

extension CanaryReport {
  /// A line for each layer, and what they add up to.
  fileprivate var text: String {
    let rows =
      [["layer", "error", "as made", "cosine", "bits"]]
      + layers.map { layer in
        [
          layer.name, Self.percent(layer.difference.error), Self.percent(layer.errorAsMade),
          Self.fixed(layer.difference.cosine, 6), layer.state == .asMade ? "equal" : "differ",
        ]
      }
    var lines = TextTable.lines(rows)
    lines.append("")
    lines.append(
      "bits of a small drawing: \(bits.equalCount) of \(bits.count) as in full precision")
    lines.append(
      "\(names(.asMade).count) of \(layers.count) outputs have the bits that \(converter) stored "
        + "(\(instructionSet.rawValue)): \(verdict.rawValue)")
    return lines.map { $0.printable + "\n" }.joined()
  }

  /// What is wrong, and what to do; a line each.
  fileprivate var faults: [String] {
    var faults: [String] = []
    if !otherTensors.isEmpty {
      let isPlural = otherTensors.count > 1
      let noun = isPlural ? "tensors do" : "tensor does"
      faults.append(
        "the \(noun) not belong to the model that the canaries were taken from: "
          + "\(Self.list(otherTensors)); copy or convert the model again")
    }
    let wrong = names(.wrongKernels)
    if !wrong.isEmpty {
      faults.append(
        "the \(instructionSet.rawValue) kernels are wrong on this machine: plain ones give the "
          + "stored bits of \(Self.list(wrong)); use --isa scalar, and report it")
    }
    let other = names(.otherBits)
    if !other.isEmpty, otherTensors.isEmpty {
      faults.append(
        "the weights are those that the canaries were taken from, but all kernels give other bits "
          + "of \(Self.list(other)): this program computes otherwise than \(converter); convert "
          + "again, or use that version")
    }
    return faults
  }

  /// At most this many names are told.
  private static let nameLimit = 8

  private static func list(_ names: [String]) -> String {
    let rest = names.count - nameLimit
    return names.prefix(nameLimit).joined(separator: ", ") + (rest > 0 ? " and \(rest) more" : "")
  }

  private static func percent(_ share: Double) -> String { fixed(100 * share, 3) + " %" }

  /// A figure of so many digits behind the point; a dash for what is none.
  private static func fixed(_ value: Double, _ digits: Int) -> String {
    var unit = 1
    for _ in 0..<digits { unit *= 10 }
    guard value.magnitude < 1e9 else { return "-" }
    let (whole, rest) = Int((value.magnitude * Double(unit)).rounded())
      .quotientAndRemainder(dividingBy: unit)
    let text = "\(rest)"
    let zeros = String(repeating: "0", count: digits - text.count)
    return (value < 0 ? "-" : "") + "\(whole).\(zeros)\(text)"
  }
}
