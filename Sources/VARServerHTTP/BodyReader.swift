#if Server
  import HummingbirdCore
  import NIOCore
  import Synchronization
  import VARServer

  /// Reads the body of a request: not more than is allowed, and not for longer than a slow line takes.
  struct BodyReader: Sendable {
    private let limit: Int
    /// Whether the client waits to be asked for the body.
    let isAwaited: Bool

    /// Seconds that every body has.
    private static let patienceSeconds = 10
    /// Bytes that come in a second over a slow line.
    private static let slowBytesPerSecond = 16 << 10

    /// - Throws: 413 for a body that is announced as too large, 417 for an expectation that is not known.
    init(_ head: RequestHead, limit: Int) throws(APIError) {
      self.limit = limit
      let expectation = head["expect"]
      isAwaited = expectation?.lowercased() == "100-continue"
      guard expectation == nil || isAwaited else {
        throw APIError(417, "Expect may be 100-continue", code: "expectation_failed")
      }
      if let count = head["content-length"].flatMap({ Int($0) }), count > limit {
        throw tooLarge
      }
    }

    /// Whether a request has no body.
    static func isEmpty(_ head: RequestHead) -> Bool {
      let count = head["content-length"].map { Int($0) ?? 1 } ?? 0
      return count == 0 && head["transfer-encoding"] == nil
    }

    private var tooLarge: APIError {
      APIError(
        413, "the body has more than \(limit) bytes; send smaller pictures",
        code: "body_too_large")
    }

    /// - Throws: 413 for a body that is too large, 408 for one that is too slow.
    func read(_ stream: RequestBody) async throws -> [UInt8] {
      let received = Counter()
      return try await withThrowingTaskGroup(of: [UInt8].self) { group in
        group.addTask {
          var bytes: [UInt8] = []
          for try await piece in stream {
            guard bytes.count + piece.readableBytes <= limit else { throw tooLarge }
            bytes.append(contentsOf: piece.readableBytesView)
            received.count.store(bytes.count, ordering: .relaxed)
          }
          return bytes
        }
        group.addTask {
          var seconds = 0
          while seconds < Self.allowedSeconds(received.count.load(ordering: .relaxed)) {
            try await Task.sleep(for: .seconds(1))
            seconds += 1
          }
          throw APIError(408, "the body comes too slowly", code: "body_too_slow")
        }
        defer { group.cancelAll() }
        return try await group.next() ?? []
      }
    }

    private static func allowedSeconds(_ byteCount: Int) -> Int {
      patienceSeconds + byteCount / slowBytesPerSecond
    }

    private final class Counter: Sendable {
      let count = Atomic<Int>(0)
    }
  }
#endif
