import Synchronization

/// The jobs that clients started, until they are forgotten.
final class KeptJobs: Sendable {
  private let jobs = Mutex<[String: KeptJob]>([:])
  /// Seconds for which one is kept when it has ended.
  let keptSeconds: Int
  /// Bytes that those take together that have ended.
  private let maximumByteCount: Int

  init(_ settings: ServerSettings) {
    keptSeconds = settings.keptResultSeconds
    maximumByteCount = settings.maximumResultBytes
  }

  var all: [KeptJob] { jobs.withLock { Array($0.values) } }

  func add(_ job: KeptJob) { jobs.withLock { $0[job.id] = job } }

  func remove(_ id: String) { jobs.withLock { $0[id] = nil } }

  /// - Throws: 404 where there is no such job.
  func find(_ id: String) throws(APIError) -> KeptJob {
    guard let job = jobs.withLock({ $0[id] }) else { throw .unknownJob(id) }
    return job
  }

  /// When a job is forgotten that ended then, in seconds since 1970.
  func expiry(_ ended: Int) -> Int { ended + keptSeconds }

  /// Forgets what is too old, and the oldest ones where all take too much; the newest is kept.
  ///
  /// - Returns: the names of those that are forgotten.
  func forget(at time: Int) -> [String] {
    let over = all.map { (id: $0.id, snapshot: $0.snapshot) }
      .filter { $0.snapshot.status.isOver }
      .sorted { $0.snapshot.endedMoment > $1.snapshot.endedMoment }
    var (total, forgotten) = (0, [String]())
    for (index, job) in over.enumerated() {
      total += job.snapshot.byteCount
      let isTooOld = expiry(job.snapshot.ended ?? 0) <= time
      if isTooOld || index > 0 && total > maximumByteCount { forgotten.append(job.id) }
    }
    for id in forgotten { remove(id) }
    return forgotten
  }
}
