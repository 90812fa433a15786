import ArgumentParser
import VARJSON
import VARLite
import VARModels
import VARTokenizer
import VARVision
import VQ4Format

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// One line on standard error and the exit code of each kind of failure.
enum Failure {
  enum Status: Int32 {
    case checkFailed = 1
    case usage = 2
    case badInput = 3
    case noResources = 4
    case interrupted = 130
  }

  static func exit(_ error: any Error) -> Never {
    if error is CleanExit || Varlite.exitCode(for: error) == .success {
      print(Varlite.fullMessage(for: error))
      Glibc.exit(0)
    }
    if let status = status(of: error) {
      Console.error("varlite: \(error)")
      Glibc.exit(status.rawValue)
    }
    if let code = error as? ExitCode { Glibc.exit(code.rawValue) }
    Console.error(Varlite.fullMessage(for: error))
    Glibc.exit(Status.usage.rawValue)
  }

  private static func status(of error: any Error) -> Status? {
    switch error {
    case let error as GenerationError:
      switch error.code {
      case .invalidRequest: .usage
      case .unusableModel, .invalidPicture: .badInput
      case .contextFull, .outOfMemory, .cannotWrite: .noResources
      case .nothingDrawn: .checkFailed
      case .cancelled: .interrupted
      }
    case let error as ModelError:
      switch error.code {
      case .cancelled: .interrupted
      case .outOfMemory: .noResources
      case .missingTensor, .mismatchedTensor, .unreadableWeights: .badInput
      }
    case is VQ4Error, is ConfigurationError, is TokenizerError, is ImageError, is JSONError,
      is EvaluationError:
      .badInput
    default: nil
    }
  }
}
