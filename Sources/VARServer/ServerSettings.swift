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
  /// Requests of one key that may run and wait together; nil: no other limit than the queue's.
  package var maximumRequestsPerKey: Int?
  /// Connections at once; more wait until the system refuses them.
  package var maximumConnectionCount = 550
  /// Seconds after which a connection without a request is closed.
  package var idleSeconds = 10
  /// Seconds after which a connection is closed whose client takes nothing of its answer.
  package var stalledSeconds = 30

  /// Seconds for which a job's result is kept.
  package var keptResultSeconds = 3600
  /// Bytes that kept results take together; the oldest ones give way.
  package var maximumResultBytes = 256 << 20
  /// Seconds for which work goes on whose client has gone at its time-out.
  package var keptWorkSeconds = 10
  /// Seconds after which a model that nobody asks lets go of the memory that it can fill again.
  package var modelIdleSeconds = 300
  /// Takes a line about what nobody is answered.
  package var log: @Sendable (String) -> Void = { _ in }

  /// Tells the time in seconds since 1970.
  package let secondsSince1970: @Sendable () -> Int

  package init(secondsSince1970: @escaping @Sendable () -> Int) {
    self.secondsSince1970 = secondsSince1970
  }
}
