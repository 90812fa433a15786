import VARLite

extension Service {
  /// Begins to serve models, and goes on with the jobs that an earlier server left.
  package func open(_ catalog: ModelCatalog) {
    opened.withLock { $0 = catalog }
    for (stored, ending) in desk.folder?.load() ?? [] { restore(stored, ending, catalog) }
  }

  private func restore(
    _ stored: StoredRequest, _ ending: StoredEnding?, _ catalog: ModelCatalog
  ) {
    let body: JobBody
    do throws(APIError) { body = try stored.jobBody() } catch {
      log("job \(stored.id) is left out: \(error.message)")
      return
    }
    func job(_ ticket: JobQueue.Ticket?) -> KeptJob {
      KeptJob(
        id: stored.id, body, bodyByteCount: stored.body.count, created: stored.created,
        ticket: ticket)
    }
    func add(_ ending: KeptJob.Ending, at time: Int) {
      let job = job(nil)
      job.end(ending, at: time)
      desk.jobs.add(job)
    }
    if let ending { return add(ending.ending, at: ending.time) }
    do throws(APIError) {
      let served = try catalog.model(body.modelName)
      let lane = JobQueue.Lane(model: served.id, draws: body.kind != .chat)
      desk.begin(job(try queue.join(lane, hadPlace: true)), served)
    } catch {
      // Its files stay: the server may have the model the next time.
      add(.failed(error), at: desk.now())
    }
  }

  /// Lets go of what is too old, and of what models hold that nobody asks.
  package func tidy() {
    desk.forget()
    idleModels.release(models, usedBy: queue)
  }
}
