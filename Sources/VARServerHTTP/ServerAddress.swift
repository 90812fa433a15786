/// Where a server listens.
package enum ServerAddress: Sendable {
  /// Port 0: one that the system picks.
  case host(String, port: Int)
  /// A socket of this machine with a name in its files.
  case socket(String)
  /// A socket that is open already, by its descriptor.
  case inherited(Int32)
}
