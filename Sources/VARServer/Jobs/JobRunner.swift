import VARLite

/// Runs the requests of clients, each when its turn comes, and stops what nobody waits for any more.
struct JobRunner: Sendable {
  let queue: JobQueue

  /// Takes a place for a request that fits the memory.
  ///
  /// - Throws: 400 with what would help where it never fits, 503 where too many wait; nothing of it has run.
  func admit(_ request: Request, _ served: ServedModel) throws(APIError) -> JobQueue.Ticket {
    do throws(VARLiteError) { try served.model.requireFit(request) } catch {
      throw APIError(error)
    }
    return try queue.join(JobQueue.Lane(model: served.id, draws: request.drawing != nil))
  }

  /// Waits for the turn, then for the response.
  ///
  /// - Parameters:
  ///   - watch: called with each event.
  ///   - start: called with the job when it begins.
  /// - Throws: `CancellationError` where the task was cancelled; the job has ended by then.
  func response(
    _ request: Request, _ model: Model, _ ticket: JobQueue.Ticket,
    start: (Job) -> Void = { _ in }, watch: (Event) throws -> Void = { _ in }
  ) async throws -> Response {
    try await ticket.turn()
    let job = try model.submit(request)
    start(job)
    do {
      let response = try await withTaskCancellationHandler {
        for await event in job.events { try watch(event) }
        try Task.checkCancellation()
        return try job.wait()
      } onCancel: {
        job.stop(.now)
      }
      return response
    } catch {
      job.stop(.now)
      // A task of its own is not cancelled: the place is given away when the job computes no more.
      await Task { for await _ in job.events {} }.value
      throw error
    }
  }
}
