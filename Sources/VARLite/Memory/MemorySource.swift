import Synchronization
import VARModels
import VARSystem

/// What a request may take.
struct MemoryBudget {
  /// Bytes for this process as the user or the system says, the program included.
  let namedBytes: Int
  /// Bytes of them that others have claimed.
  let claimedBytes: Int
}

/// Where memory comes from: the budget that the user names, or else what the system has.
final class MemorySource: Sendable {
  /// nil: what the system has, but for some room.
  let fixedBytes: Int?
  /// What the process has now; nil where the system does not tell.
  let processMemory: @Sendable () -> ProcessMemory?
  private let state = Mutex(State())

  private struct State {
    /// What the process had when the first of the models was open.
    var first = ProcessMemory.unknown
    var models: [ObjectIdentifier: Opened] = [:]
  }

  private struct Opened: Sendable {
    weak var model: Model?
    /// What it has added.
    var anonymousByteCount = 0
    var fileByteCount = 0
  }

  init(fixedBytes: Int?, processMemory: @escaping @Sendable () -> ProcessMemory?) {
    self.fixedBytes = fixedBytes
    self.processMemory = processMemory
  }

  /// What the process has besides requests and kept weights: libraries, tables, models' directories.
  var program: ProcessMemory {
    state.withLock { state in
      state.models.values.reduce(into: state.first) { program, opened in
        guard opened.model != nil else { return }
        program.anonymousByteCount += opened.anonymousByteCount
        program.fileByteCount += opened.fileByteCount
      }
    }
  }

  /// Takes note that a model is open.
  ///
  /// - Parameter before: what the process had before it was opened.
  func opened(_ model: Model, before: ProcessMemory?) {
    let now = processMemory()
    state.withLock { state in
      state.models = state.models.filter { $0.value.model != nil }
      var opened = Opened(model: model)
      if state.models.isEmpty {
        state.first = now ?? .unknown
      } else if let before, let now {
        // Beside other models, whose requests may run, only what the opening added counts, until it is closed.
        opened.anonymousByteCount = max(0, now.anonymousByteCount - before.anonymousByteCount)
        opened.fileByteCount = max(0, now.fileByteCount - before.fileByteCount)
      }
      state.models[ObjectIdentifier(model)] = opened
    }
  }

  var models: [Model] { state.withLock { $0.models.values.compactMap(\.model) } }

  /// Bytes of weights in memory of their own, of all models.
  var retainedWeightBytes: Int { models.reduce(0) { $0 + $1.sources.retainedBytes } }

  /// Bytes that stay between requests, of all models.
  private var retainedBytes: Int { models.reduce(0) { $0 + $1.retainedBytes } }

  /// Bytes for this process, the program included.
  ///
  /// What the system has available lacks what requests and kept weights have taken already; that part of the process's
  /// growth is added again, which is not more than what is known to be theirs.
  /// - Parameter claimedBytes: of all requests.
  /// - Throws: `memoryUnknown` where neither user nor system says how much there is.
  func namedBytes(claimedBytes: Int) throws(VARLiteError) -> Int {
    if let fixedBytes { return fixedBytes }
    guard let system = SystemMemory.current() else {
      throw VARLiteError(.memoryUnknown, "the system does not tell how much memory it has")
    }
    let current = processMemory()?.anonymousByteCount ?? 0
    let growth = max(0, current - program.anonymousByteCount)
    return system.defaultBudgetBytes + min(growth, claimedBytes + retainedBytes)
  }

  /// Gives back what models keep and no request needs, where what is claimed does not fit beside it.
  ///
  /// - Parameters:
  ///   - spared: keeps it.
  ///   - claimed: what of a model's is among what is claimed.
  func makeRoom(
    _ bytes: Int, within budget: Int, sparing spared: Model?, claimed: (WeightSources) -> Int
  ) {
    let models = models.filter { $0 !== spared }
    let unclaimed = models.map { max(0, $0.retainedBytes - claimed($0.sources)) }
    guard bytes + unclaimed.reduce(0, +) > budget else { return }
    for model in models { model.releaseUnused() }
  }
}
