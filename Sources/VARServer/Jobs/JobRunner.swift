import VARLite
import VARSystem

/// Runs the requests of clients, each when its turn comes, and stops what nobody waits for any more.
struct JobRunner: Sendable {
  let queue: JobQueue
  let access: AccessPolicy
  let metrics: Metrics
  /// Makes the files of pictures.
  let encoder = OrderedThread()

  /// Takes a place for a request that fits the memory.
  ///
  /// - Parameter head: tells whose request it is.
  /// - Throws: 400 with what would help where it never fits, 429 where its key has too many, 503 where too many wait;
  ///   nothing of it has run.
  func admit(
    _ request: Request, _ served: ServedModel, _ head: RequestHead
  ) throws(APIError) -> JobQueue.Ticket {
    do throws(VARLiteError) { try served.model.requireFit(request) } catch {
      throw APIError(error)
    }
    let lane = JobQueue.Lane(model: served.id, draws: request.drawing != nil)
    return try queue.join(lane, client: access.client(head))
  }

  /// Waits for the turn, then for the response.
  ///
  /// - Parameters:
  ///   - watch: called with each event.
  ///   - start: called with the job when it begins.
  /// - Throws: `CancellationError` where the task was cancelled; the job has ended by then.
  func response(
    _ request: Request, _ model: Model, _ ticket: JobQueue.Ticket,
    start: (Job) -> Void = { _ in }, watch: (Event) async throws -> Void = { _ in }
  ) async throws -> Response {
    let task = request.drawing == nil ? "text" : request.pictures.isEmpty ? "drawing" : "edit"
    do {
      try await ticket.turn()
    } catch {
      metrics.ended(task, Metrics.Ending(outcome: .cancelled, stage: "queue"), seconds: 0, nil)
      throw error
    }
    let job = try model.submit(request)
    let began = MonotonicClock.seconds()
    metrics.began(task)
    start(job)
    var outcome = Metrics.Outcome.failed
    var usage: Response.Usage?
    defer {
      let stage = job.snapshot.progress?.stage.rawValue ?? "start"
      metrics.ended(
        task, Metrics.Ending(outcome: outcome, stage: stage),
        seconds: MonotonicClock.seconds() - began, usage)
    }
    do {
      let response = try await withTaskCancellationHandler {
        for await event in job.events { try await watch(event) }
        try Task.checkCancellation()
        return try job.wait()
      } onCancel: {
        job.stop(.now)
      }
      (outcome, usage) = (.finished, response.usage)
      return response
    } catch {
      if Task.isCancelled { outcome = .cancelled }
      job.stop(.now)
      // A task of its own is not cancelled: the place is given away when the job computes no more.
      await Task { for await _ in job.events {} }.value
      throw error
    }
  }
}
