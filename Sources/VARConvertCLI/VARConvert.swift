import ArgumentParser
import VARCheckpoint
import VARConversion
import VARJSON
import VARLite
import VARModels
import VARQuantization
import VARSharedCLI
import VARSystem
import VARTokenizer
import VQ4Format

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The command `varconvert`: arguments in, printed results out.
@main
struct VARConvert: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "varconvert",
    abstract: "Turns a VARGPT-v1.1 checkpoint into one .vq4 file.",
    usage: """
      varconvert <source> -o <model.vq4> [<options>]
      varconvert <subcommand>
      """,
    discussion: "Example: varconvert weights/ -o model.vq4 --recipe balanced",
    version: ProgramVersion.text("varconvert"),
    subcommands: [
      ConvertCommand.self, PlanCommand.self, CheckCommand.self, CalibrateCommand.self,
    ],
    defaultSubcommand: ConvertCommand.self)

  static func main() { ProgramLimits.run("varconvert") { VARConvert.start() } }

  private static func start() {
    MappingGuard.install(program: "varconvert")
    do {
      let arguments = try ProgramInput.arguments()
      try CommandNames.check(arguments, of: Self.self)
      var command = try parseAsRoot(arguments)
      try command.run()
      if let failure = StandardOutput.failure { throw failure }
    } catch {
      let status = ExitStatus(error)
      if case .parser(let code) = status {
        // Help and version go to stdout with success; everything else of the parser is a usage error.
        let text = fullMessage(for: error)
        if code == .success {
          printLine(text)
        } else {
          printError(text)
        }
        if code == .success, let failure = StandardOutput.failure {
          printError("varconvert: \(failure)")
          end(ExitStatus.noSpace.code)
        }
        end(code == .success ? 0 : 2)
      }
      if let error = error as? UnknownCommand {
        printError(error.description)
      } else if case .failed = status {
      } else {
        printError("varconvert: \(RemedyText.text(error))")
      }
      end(status.code)
    }
  }
}

/// A check that found errors beyond the limits; its lines are printed already.
struct CheckFailed: Error {}

/// An error after which a part of the work is kept.
struct StoppedConversion: Error, CustomStringConvertible {
  let cause: any Error
  let advice: String

  init(_ cause: any Error, _ advice: String) {
    self.cause = cause
    self.advice = advice
  }

  var description: String { "\(RemedyText.text(cause))\nvarconvert: \(advice)" }
}

/// What the process ends with.
enum ExitStatus {
  case parser(ExitCode)
  case failed, usage, badInput, noSpace, interrupted

  init(_ error: any Error) {
    switch error {
    case is CheckFailed: self = .failed
    case is NotText, is UnknownCommand: self = .usage
    case let error as StoppedConversion: self.init(error.cause)
    case let error as ConversionError:
      switch error.code {
      case .interrupted: self = .interrupted
      case .notEnoughMemory, .notEnoughDisk, .journal: self = .noSpace
      case .stoppedConversion, .otherConversion, .foreignFile: self = .usage
      default: self = .badInput
      }
    case let error as QuantizationError:
      self = error.code == .unknownRecipe ? .usage : .badInput
    case let error as VQ4Error:
      switch error.code {
      case .outputExists, .outputBusy, .sameFile: self = .usage
      case .writeFailed: self = .noSpace
      default: self = error.isOutOfMemory ? .noSpace : .badInput
      }
    case let error as CheckpointError
    where [.notEnoughMemory, .headerOverBudget].contains(error.code):
      self = .noSpace
    case let error as VARLiteError:
      switch error.category {
      case .cancelled: self = .interrupted
      case .memory, .memoryUnknown, .file: self = .noSpace
      case .request: self = .usage
      default: self = .badInput
      }
    case let error as ModelError where error.code == .cancelled: self = .interrupted
    case is StandardOutput.Failure: self = .noSpace
    case is CheckpointError, is ConfigurationError, is TokenizerError: self = .badInput
    default: self = .parser(VARConvert.exitCode(for: error))
    }
  }

  var code: Int32 {
    switch self {
    case .parser, .usage: 2
    case .failed: 1
    case .badInput: 3
    case .noSpace: 4
    case .interrupted: 130
    }
  }
}

/// Prints what the user should know about the checkpoint.
func printNotes(_ conversion: Conversion) {
  for note in conversion.notes { printError("note: \(note)") }
}

/// Prints a line to stderr.
func printError(_ text: String) { writeError(text.escapedLines + "\n") }

/// Prints a line to stdout.
func printLine(_ text: String) { StandardOutput.write(text.escapedLines + "\n") }

/// Prints a document on one line of stdout.
func printLine(_ value: JSONValue) { StandardOutput.write(value.terminalText + "\n") }

/// Writes to stderr.
func writeError(_ text: String) {
  try? Descriptor.write(Array(text.utf8), to: STDERR_FILENO)
}

/// Ends the process; inside a command `exit` is a member of the parser.
private func end(_ status: Int32) -> Never { exit(status) }
