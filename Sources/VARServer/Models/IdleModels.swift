import Synchronization
import VARLite
import VARSystem

/// Finds the models that nobody has asked for a while, and has them give their memory back.
final class IdleModels: Sendable {
  private struct Use {
    var count: Int
    var since: Double
    var isReleased = false
  }

  private let uses = Mutex<[String: Use]>([:])
  private let idleSeconds: Double

  init(idleSeconds: Int) { self.idleSeconds = Double(idleSeconds) }

  /// - Parameter queue: knows who asked for what.
  func release(_ models: [ServedModel], usedBy queue: JobQueue) {
    let now = MonotonicClock.seconds()
    for served in models where isIdle(served.id, queue, now) { served.model.releaseUnused() }
  }

  private func isIdle(_ model: String, _ queue: JobQueue, _ now: Double) -> Bool {
    let (count, isBusy) = queue.use(of: model)
    return uses.withLock { uses in
      var use = uses[model] ?? Use(count: -1, since: now)
      if isBusy || use.count != count { use = Use(count: count, since: now) }
      let isIdle = !use.isReleased && count > 0 && now - use.since >= idleSeconds
      if isIdle { use.isReleased = true }
      uses[model] = use
      return isIdle
    }
  }
}
