import ArgumentParser
import VAREvaluation
import VARJSON
import VARLite
import VARModels
import VARSharedCLI
import VARTokenizer
import VARVision
import VQ4Format

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Data from standard input that is not what the command reads.
struct BadInput: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) { self.description = description }
}

/// One line on standard error and the exit code of each kind of failure.
enum Failure {
  enum Status: Int32 {
    case checkFailed = 1
    case usage = 2
    case badInput = 3
    case noResources = 4
    case interrupted = 130
  }

  /// Ends the program after the command threw, or after standard output failed it.
  static func end(_ error: any Error) -> Never {
    if let failure = Console.outputFailure { fail(failure, .noResources) }
    if let error = error as? UnknownCommand {
      Console.error(error.description)
      exit(Status.usage.rawValue)
    }
    // The parser throws help and version too.
    if Varlite.exitCode(for: error) == .success {
      Console.output(Varlite.fullMessage(for: error) + "\n")
      if let failure = Console.outputFailure { fail(failure, .noResources) }
      exit(0)
    }
    if let status = status(of: error) { fail(error, status) }
    if let code = error as? ExitCode { exit(code.rawValue) }
    Console.error(Varlite.fullMessage(for: error))
    exit(Status.usage.rawValue)
  }

  private static func fail(_ error: any Error, _ status: Status) -> Never {
    Console.error("varlite: \(text(error))")
    exit(status.rawValue)
  }

  /// An error in the words of the command line.
  static func text(_ error: any Error) -> String {
    switch error {
    case let error as VARLiteError: "\(error)" + RemedyText.advice(error)
    case let error as VQ4Error where error.mayBeOverwritten: "\(error) with --force"
    default: "\(error)"
    }
  }

  private static let isOutputFault: Set<VQ4Error.Code> = [.outputExists, .sameFile]
  private static let isResourceFault: Set<VQ4Error.Code> = [
    .notEnoughSpace, .outputBusy, .writeFailed,
  ]

  private static let categories: [VARLiteError.Category: Status] = [
    .request: .usage, .contextFull: .usage, .memoryUnknown: .usage, .model: .badInput,
    .picture: .badInput, .memory: .noResources, .busy: .noResources, .file: .noResources,
    .closed: .noResources, .nothingDrawn: .checkFailed, .cancelled: .interrupted,
  ]

  private static func status(of error: any Error) -> Status? {
    switch error {
    case let error as VARLiteError: categories[error.category]
    case let error as ImageError: error.code == .outOfMemory ? .noResources : .badInput
    case let error as VQ4Error where error.code == .cancelled: .interrupted
    case let error as VQ4Error where Self.isOutputFault.contains(error.code): .usage
    case let error as VQ4Error
    where Self.isResourceFault.contains(error.code) || error.isOutOfMemory:
      .noResources
    case is NotText, is NoCommand: .usage
    case is VQ4Error, is ConfigurationError, is TokenizerError, is JSONError, is BadInput,
      is EvaluationError:
      .badInput
    default: nil
    }
  }
}
