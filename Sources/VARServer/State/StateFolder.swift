import Synchronization
import VARLite
import VARSystem

/// A folder of jobs that go on when the server is started again. One server has it at a time.
///
/// Each job has a file with its request, one of each picture's scales so far, and one of how it ended. All appear whole
/// or not at all. What cannot be stored is said once, and the jobs go on.
package final class StateFolder: Sendable {
  /// Why a folder cannot be had.
  package struct Refusal: Error, CustomStringConvertible {
    package let description: String
  }

  private let path: String
  private let log: @Sendable (String) -> Void
  /// Holds the lock.
  private let lock: OpenFile
  private let lastOrder = Mutex(0)
  private let hasFailed = Atomic<Bool>(false)

  /// Pictures that a job has at most.
  private static let maximumPictureCount = 10
  private static let maximumByteCount = 2 << 30

  /// - Parameters:
  ///   - path: of a folder that is there.
  ///   - log: takes a line about each file that is damaged.
  package init(
    _ path: String, log: @escaping @Sendable (String) -> Void
  ) throws(Refusal) {
    do throws(SystemError) {
      lock = try OpenFile("\(path)/lock", .creating)
    } catch {
      throw Refusal(description: "\(path): \(error)")
    }
    guard lock.lock() else {
      throw Refusal(description: "\(path): another server has this folder; give each its own")
    }
    self.path = path
    self.log = log
  }

  // MARK: Storing

  func store(_ request: StoredRequest) {
    var request = request
    request.order = lastOrder.withLock { order in
      order += 1
      return order
    }
    write(request.record.serialized, request.id, ".request")
  }

  /// Stores how far a picture is.
  func store(_ state: DrawingState, _ index: Int, of id: String) {
    write(state.serialized, id, Self.drawing(index))
  }

  func store(_ ending: StoredEnding) {
    guard write(ending.record.serialized, ending.id, ".ending") else { return }
    removeDrawings(ending.id)
  }

  /// Forgets a job.
  func remove(_ id: String) {
    // Without its request the rest is nothing any more.
    FileTree.remove(file(id, ".request"))
    FileTree.remove(file(id, ".ending"))
    removeDrawings(id)
  }

  private func removeDrawings(_ id: String) {
    for index in 0..<Self.maximumPictureCount { FileTree.remove(file(id, Self.drawing(index))) }
  }

  private static func drawing(_ index: Int) -> String { ".\(index).drawing" }

  private func file(_ id: String, _ ending: String) -> String { "\(path)/\(id)\(ending)" }

  @discardableResult
  private func write(_ bytes: [UInt8], _ id: String, _ ending: String) -> Bool {
    do throws(SystemError) {
      try WholeFile.write(FileContent(bytes), to: file(id, ending), keepsUnnamed: false)
      return true
    } catch {
      if !hasFailed.exchange(true, ordering: .relaxed) {
        log("\(file(id, ending)): \(error); jobs that are not stored end with the server")
      }
      return false
    }
  }

  // MARK: Reading

  /// How far a picture is; nil where nothing is stored of it.
  func drawing(_ index: Int, of id: String) -> DrawingState? {
    read(id, Self.drawing(index)) { try DrawingState(serialized: $0) }
  }

  /// The jobs of an earlier server in their order. What is left of others is removed.
  func load() -> [(request: StoredRequest, ending: StoredEnding?)] {
    let names = FileTree.names(in: path)
    var found: [(request: StoredRequest, ending: StoredEnding?)] = []
    let requests = names.filter { $0.hasSuffix(".request") }.map { $0.dropLast(8) }
    for id in requests.sorted() where JobID.isOne(id) {
      let request = read(String(id), ".request") {
        try StoredRequest(StateRecord(serialized: $0))
      }
      guard let request, request.id == id else { continue }
      let ending = read(request.id, ".ending") { try StoredEnding(StateRecord(serialized: $0)) }
      if ending?.id == request.id {
        // The power may have gone before they were removed.
        removeDrawings(request.id)
        found.append((request, ending))
      } else {
        found.append((request, nil))
      }
    }
    for name in names where !name.hasSuffix(".request") && name != "lock" {
      let id = name.prefix { $0 != "." }
      if JobID.isOne(id), !requests.contains(id) { FileTree.remove("\(path)/\(name)") }
      if name.hasSuffix(".partial") { FileTree.remove("\(path)/\(name)") }
    }
    lastOrder.withLock { $0 = found.map(\.request.order).max() ?? 0 }
    return found.sorted { $0.request.order < $1.request.order }
  }

  /// What a file holds; nil where it is not there, or is damaged, which is logged.
  private func read<Value>(
    _ id: String, _ ending: String, _ body: ([UInt8]) throws -> Value
  ) -> Value? {
    let name = file(id, ending)
    guard FileTree.exists(name) else { return nil }
    do {
      guard let bytes = try WholeFile.read(name, atMost: Self.maximumByteCount) else {
        throw StateRecord.Damage(description: "it is too large")
      }
      return try body(bytes)
    } catch {
      log("\(name): is left out: \(error)")
      return nil
    }
  }
}
