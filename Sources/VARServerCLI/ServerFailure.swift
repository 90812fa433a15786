import ArgumentParser
import VARLite
import VARServer
import VARSharedCLI

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// One line on standard error and the exit code of each kind of failure.
enum ServerFailure {
  static func end(_ error: any Error) -> Never {
    if VarliteServer.exitCode(for: error) == .success {
      StandardOutput.write(VarliteServer.fullMessage(for: error) + "\n")
      exit(StandardOutput.failure == nil ? 0 : 4)
    }
    if let status = status(of: error) {
      VarliteServer.say("varlite-server: \(error)")
      exit(status)
    }
    VarliteServer.say(VarliteServer.fullMessage(for: error))
    exit(2)
  }

  /// As `varlite` ends: 2 usage, 3 bad input file, 4 no resources.
  private static func status(of error: any Error) -> Int32? {
    switch error {
    case let error as VARLiteError:
      switch error.category {
      case .request, .memoryUnknown: 2
      case .model: 3
      default: 4
      }
    case is NotText: 2
    case is KeyFile.Refusal: 3
    case is ListenFailure, is StateFolder.Refusal: 4
    case is HealthCheck.Failure: 1
    default: nil
    }
  }
}
