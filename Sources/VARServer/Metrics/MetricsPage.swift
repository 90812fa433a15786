import VARLite

/// The figures of a server as a page that Prometheus reads. What is not known is left out.
struct MetricsPage {
  private(set) var text = ""

  init(_ service: Service) {
    let counts = service.metrics.snapshot
    family("varlite_requests_total", "counter", "Answered requests; 499: the client left.")
    for (request, count) in counts.requests.sorted(by: { "\($0)" < "\($1)" }) {
      line(
        "varlite_requests_total", [("route", request.route), ("code", "\(request.code)")],
        "\(count)")
    }
    gauge("varlite_jobs_running", "Places where a job may run.", service.queue.runningCount)
    gauge("varlite_jobs_queued", "Requests that wait.", service.queue.waitingCount)
    jobs(counts.jobs.sorted { $0.key < $1.key })
    let snapshot = service.runtime.snapshot
    gauge(
      "varlite_plan_bytes", "Memory that what runs may take.", snapshot.claimedBytes)
    if let memory = ProcessMemory.current() {
      gauge("varlite_rss_bytes", "Resident memory of the server.", memory.byteCount)
    }
    family("varlite_model_info", "gauge", "The models that are served.")
    for served in service.models {
      line(
        "varlite_model_info", [("model", served.id), ("hash", served.model.contentHash)], "1")
    }
  }

  private mutating func jobs(_ tasks: [(key: String, value: Metrics.Jobs)]) {
    family("varlite_jobs_started_total", "counter", "Jobs that began to run.")
    for (task, jobs) in tasks {
      line("varlite_jobs_started_total", [("task", task)], "\(jobs.started)")
    }
    for outcome in [Metrics.Outcome.finished, .cancelled, .failed] {
      let name = "varlite_jobs_\(outcome.rawValue)_total"
      family(name, "counter", "Jobs that are \(outcome.rawValue), by the stage of their end.")
      for (task, jobs) in tasks {
        let endings = jobs.ended.filter { $0.key.outcome == outcome }
        for (ending, count) in endings.sorted(by: { $0.key.stage < $1.key.stage }) {
          line(name, [("task", task), ("stage", ending.stage)], "\(count)")
        }
      }
    }
    family("varlite_tokens_total", "counter", "Tokens that were read and written.")
    for (task, jobs) in tasks {
      line("varlite_tokens_total", [("task", task), ("kind", "read")], "\(jobs.readTokens)")
      line("varlite_tokens_total", [("task", task), ("kind", "written")], "\(jobs.writtenTokens)")
    }
    family("varlite_job_seconds", "histogram", "Time that finished jobs ran.")
    for (task, jobs) in tasks {
      let bounds = Metrics.bounds.map { "\($0)" } + ["+Inf"]
      for (bound, count) in zip(bounds, jobs.counts) {
        line("varlite_job_seconds_bucket", [("task", task), ("le", bound)], "\(count)")
      }
      line("varlite_job_seconds_sum", [("task", task)], "\(jobs.seconds)")
      line("varlite_job_seconds_count", [("task", task)], "\(jobs.counts.last ?? 0)")
    }
  }

  private mutating func gauge(_ name: String, _ help: String, _ value: Int) {
    family(name, "gauge", help)
    line(name, [], "\(value)")
  }

  private mutating func family(_ name: String, _ kind: String, _ help: String) {
    text += "# HELP \(name) \(help)\n# TYPE \(name) \(kind)\n"
  }

  private mutating func line(_ name: String, _ labels: [(String, String)], _ value: String) {
    let list = labels.map { "\($0.0)=\"\(Self.escaped($0.1))\"" }.joined(separator: ",")
    text += "\(name)\(list.isEmpty ? "" : "{\(list)}") \(value)\n"
  }

  private static func escaped(_ text: String) -> String {
    text.reduce(into: "") { text, letter in
      switch letter {
      case "\\", "\"": text += "\\\(letter)"
      case "\n": text += "\\n"
      default: text.append(letter)
      }
    }
  }
}
