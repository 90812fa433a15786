import VARLite

extension Service {
  /// Begins to serve models, and goes on with the jobs that an earlier server left.
  ///
  /// Clients are told to wait until all of those jobs are there.
  package func open(_ catalog: ModelCatalog) {
    for (stored, ending) in desk.folder?.load() ?? [] { restore(stored, ending, catalog) }
    opened.withLock { $0 = catalog }
  }

  private func restore(
    _ stored: StoredRequest, _ ending: StoredEnding?, _ catalog: ModelCatalog
  ) {
    let body: JobBody
    do throws(APIError) { body = try stored.jobBody() } catch {
      log("\(JobID.short(stored.id)) is left out: \(error.message)")
      return
    }
    func job(_ ticket: JobQueue.Ticket?) -> KeptJob {
      KeptJob(
        id: stored.id, body, bodyByteCount: stored.body.count, created: stored.created,
        ticket: ticket)
    }
    if let ending {
      let job = job(nil)
      job.end(ending.ending, at: ending.time)
      return desk.jobs.add(job)
    }
    // Another model would draw another picture. The files stay: the server may have the model the next time.
    guard let served = catalog.models.first(where: { StoredModel($0) == stored.model }) else {
      return log(
        "\(JobID.short(stored.id)) waits for \(stored.model.name) (\(stored.model.contentHash)), "
          + "which is not served; it goes on when it is")
    }
    let lane = JobQueue.Lane(model: served.id, draws: body.kind != .chat)
    // A server that is stopping leaves it to the next one.
    guard let ticket = try? queue.join(lane, hadPlace: true) else { return }
    desk.begin(job(ticket), served)
  }

  /// Lets go of what is too old, and of what models hold that nobody asks.
  package func tidy() {
    desk.forget()
    idleModels.release(models, usedBy: queue)
  }
}
