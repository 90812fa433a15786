#if Server
  import NIOCore
#endif

/// Why an address cannot be had.
package enum ListenError: Error {
  /// The system refuses it, with this `errno`.
  case system(Int32)
  /// No machine has the name.
  case unknownName
  /// The name of the socket has more bytes than the system takes.
  case longName

  #if Server
    /// What the server throws; nil for what is no fault of the address.
    init?(_ error: any Error) {
      switch error {
      case let error as IOError: self = .system(error.errnoCode)
      case is SocketAddressError.UnknownHost: self = .unknownName
      case SocketAddressError.unixDomainSocketPathTooLong: self = .longName
      default: return nil
      }
    }
  #endif
}
