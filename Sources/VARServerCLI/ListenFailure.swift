import VARServerHTTP
import VARSystem

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The address cannot be had: why, and what to do.
struct ListenFailure: Error, CustomStringConvertible {
  let description: String

  init(place: String, _ reason: String) {
    description = "cannot listen on \(place): \(reason)"
  }

  init(place: String, _ error: any Error) {
    switch error as? ListenError {
    case .system(let code): self.init(place: place, SystemError.message(code) + Self.advice(code))
    case .unknownName: self.init(place: place, "no machine has that name" + Self.ownAddress)
    case .longName: self.init(place: place, "the name is too long; choose a shorter one")
    case nil: self.init(place: place, "\(error)")
    }
  }

  private static let ownAddress = "; --host takes an address of this machine, or 0.0.0.0 for all"

  private static func advice(_ code: Int32) -> String {
    switch code {
    case EADDRINUSE: "; another program has it: end that one, or choose another --port"
    case EADDRNOTAVAIL: ownAddress
    case EACCES, EPERM: "; ports below 1024 are for root: choose another --port"
    case ENOENT: "; make the folder of the socket first"
    default: ""
    }
  }
}
