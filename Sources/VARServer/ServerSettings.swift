/// How a server treats its clients.
package struct ServerSettings: Sendable {
  /// Keys that clients may show; none: everybody is served.
  package var keys: [String] = []
  /// Names under which the server is reached, beside `localhost` and addresses in numbers.
  package var allowedHosts: [String] = []
  /// Bytes that the body of a request may have.
  package var maximumBodyBytes = 32 << 20
  /// Requests that may wait behind those that run.
  package var maximumQueueLength = 16
  /// Connections at once; more wait until the system refuses them.
  package var maximumConnectionCount = 550
  /// Seconds after which a connection without a request is closed.
  package var idleSeconds = 10

  /// Tells the time in seconds since 1970.
  package let secondsSince1970: @Sendable () -> Int

  package init(secondsSince1970: @escaping @Sendable () -> Int) {
    self.secondsSince1970 = secondsSince1970
  }
}
