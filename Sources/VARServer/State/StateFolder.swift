import Synchronization
import VARLite
import VARSystem

/// A folder of jobs that go on when the server is started again. One server has it at a time.
///
/// Each job has a file with its request, one of each picture's scales so far, and one of how it ended. All appear whole
/// or not at all, and are for the server's user alone. What cannot be stored is said once, and the jobs go on.
package final class StateFolder: Sendable {
  /// Why a folder cannot be had.
  package struct Refusal: Error, CustomStringConvertible {
    package let description: String

    package init(description: String) { self.description = description }
  }

  private let path: String
  private let log: @Sendable (String) -> Void
  /// Holds the lock.
  private let lock: OpenFile
  private let lastOrder = Mutex(0)
  private let hasFailed = Atomic<Bool>(false)
  /// Reads and writes all files, one after the other.
  private let thread = OrderedThread()
  /// The newest scales that wait to be written, by the name of their file.
  private let newest = Mutex<[String: DrawingState]>([:])

  private static let maximumByteCount = 2 << 30

  /// - Parameters:
  ///   - path: of a folder that is there.
  ///   - log: takes a line about each file that is damaged.
  package init(
    _ path: String, log: @escaping @Sendable (String) -> Void
  ) throws(Refusal) {
    do throws(SystemError) {
      lock = try OpenFile("\(path)/lock", .creatingForOwner)
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

  /// A job that is stored is there after a power cut too.
  func store(_ request: StoredRequest) async {
    var request = request
    request.order = lastOrder.withLock { order in
      order += 1
      return order
    }
    let stored = request
    await thread.result { [self] in
      if write(stored.record.serialized, stored.id, ".request") { flush(stored.id) }
    }
  }

  /// Stores how far a picture is, some time soon.
  func store(_ state: DrawingState, _ index: Int, of id: String) {
    let (ending, name) = (Self.drawing(index), id + Self.drawing(index))
    // A disk that is slow gets the newest one alone.
    guard newest.withLock({ $0.updateValue(state, forKey: name) }) == nil else { return }
    thread.perform { [self] in
      guard let state = newest.withLock({ $0.removeValue(forKey: name) }) else { return }
      write(state.serialized, id, ending)
    }
  }

  func store(_ stored: StoredEnding) async {
    await thread.result { [self] in
      guard write(stored.record.serialized, stored.id, ".ending") else { return }
      flush(stored.id)
      removeDrawings(stored.id)
    }
  }

  /// Forgets a job: it does not come back.
  func remove(_ id: String) async { await thread.result { [self] in removeFiles(id) } }

  /// The same, some time soon.
  func removeLater(_ id: String) { thread.perform { [self] in removeFiles(id) } }

  /// Waits for what is to be written.
  func finish() async { await thread.result {} }

  private func removeFiles(_ id: String) {
    // Without its request the rest is nothing any more.
    FileTree.remove(file(id, ".request"))
    FileTree.remove(file(id, ".ending"))
    removeDrawings(id)
    flush(id)
  }

  private func removeDrawings(_ id: String) {
    for index in 0..<ImageRequest.counts.upperBound {
      FileTree.remove(file(id, Self.drawing(index)))
    }
  }

  /// Waits until the names of a job's files are on the disk.
  private func flush(_ id: String) {
    do throws(SystemError) { try FileTree.flushFolder(of: file(id, "")) } catch {
      fail("\(path)", error)
    }
  }

  private static func drawing(_ index: Int) -> String { ".\(index).drawing" }

  private func file(_ id: String, _ ending: String) -> String { "\(path)/\(id)\(ending)" }

  @discardableResult
  private func write(_ bytes: [UInt8], _ id: String, _ ending: String) -> Bool {
    do throws(SystemError) {
      try WholeFile.write(
        FileContent(bytes), to: file(id, ending), keepsUnnamed: false, isPrivate: true)
      return true
    } catch {
      fail(file(id, ending), error)
      return false
    }
  }

  private func fail(_ name: String, _ error: SystemError) {
    guard !hasFailed.exchange(true, ordering: .relaxed) else { return }
    log("\(name): \(error); jobs that are not stored end with the server")
  }

  // MARK: Reading

  /// How far a picture is; nil where nothing is stored of it.
  func drawing(_ index: Int, of id: String) async -> DrawingState? {
    await thread.result { [self] in
      read(id, Self.drawing(index)) { try DrawingState(serialized: $0) }
    }
  }

  /// Whether a file of this name is one of such a folder.
  package static func isOwn(_ name: String) -> Bool { name == "lock" || id(name) != nil }

  /// The job that a file of this name belongs to; nil: none.
  private static func id(_ name: String) -> Substring? {
    let id = name.prefix { $0 != "." }
    return JobID.isOne(id) ? id : nil
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
    for name in names where !name.hasSuffix(".request") {
      guard let id = Self.id(name) else { continue }
      if !requests.contains(id) || name.hasSuffix(".partial") {
        FileTree.remove("\(path)/\(name)")
      }
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
        throw StateRecord.Damage("it is too large")
      }
      return try body(bytes)
    } catch {
      log("\(name): is left out: \(error)")
      return nil
    }
  }
}
