import VARJSON
import VARKernels
import VARLite
import VARModels
import VARSystem

/// A plan as people and programs read it.
struct PlanReport {
  let plan: RequestPlan
  let speed: MachineSpeed?
  let title: String
  /// Whether every buffer of every phase is listed.
  var listsBuffers = false

  /// Totals first, then what they are made of.
  var text: String {
    var lines = ["\(title): \(totals)"]
    if let speed { lines.append(time(speed)) }
    lines += [facts, ""] + TextTable.lines([Self.columns] + phaseRows)
    if listsBuffers { lines += [""] + TextTable.lines([["phase: buffer", "bytes"]] + bufferRows) }
    return lines.joined(separator: "\n") + "\n"
  }

  private var facts: String {
    let place =
      switch plan.residency {
      case .map: "used in place from the file"
      case .load: "loaded into memory before they are used"
      default: "streamed: what does not fit is read again in every pass"
      }
    return "weights \(place); keys and values in \(plan.kvType.rawValue)"
  }

  private static let columns = [
    "phase", "weights", "keys, values", "scratch", "peak", "passes", "read per pass", "disk",
  ]

  private var phaseRows: [[String]] {
    plan.phases.map { phase in
      let parts = phase.partByteCounts.map { ByteCount($0.byteCount).text }
      return [
        phase.kind.rawValue,
        ByteCount(phase.weightByteCounts.resident + phase.weightByteCounts.mapped).text,
      ] + parts + [
        ByteCount(phase.byteCount + plan.program.byteCount).text, "\(phase.passCount)",
        ByteCount(phase.passCount > 1 ? phase.diskByteCountPerPass : 0).text,
        ByteCount(phase.diskByteCount).text,
      ]
    }
  }

  private var bufferRows: [[String]] {
    plan.phases.flatMap { phase in
      phase.buffers.map { ["\(phase.kind.rawValue): \($0.name)", "\($0.byteCount)"] }
    }
  }

  private var totals: String {
    var text = "peak \(ByteCount(plan.peakByteCount).text), the program's "
    text += "\(ByteCount(plan.program.byteCount).text) included"
    if plan.peakByteCount > plan.anonymousPeakByteCount + plan.program.fileByteCount {
      text += "; \(ByteCount(plan.anonymousPeakByteCount).text) of it cannot be dropped and reread"
    }
    return text + "; \(ByteCount(plan.budgetByteCount).text) may be used"
  }

  private func time(_ speed: MachineSpeed) -> String {
    let disk = speed.diskBytes * 1e-6
    return "about \(ProgressLine.seconds(plan.expectedSeconds(speed))) on this machine: "
      + "\(Self.rounded(2e-9 * speed.quantizedOperations)) GOPS in int8, "
      + "\(Self.rounded(2e-9 * speed.floatOperations)) in f32, weights at "
      + "\(Self.rounded(1e-9 * speed.weightBytes)) GB/s, disk at \(Self.rounded(disk)) MB/s"
      + busy(speed)
  }

  /// A machine that does other work says little about what it can do.
  private func busy(_ speed: MachineSpeed) -> String {
    guard speed.processorShare < Self.busyShare else { return "" }
    return
      "\nthe machine is busy: the threads got \(Int(speed.processorShare * 100)) % of the time "
      + "that they asked for; measure again when other programs have ended"
  }

  private static let busyShare = 0.75

  private static func rounded(_ value: Double) -> String {
    value >= 10 ? "\(Int(value.rounded()))" : "\((value * 10).rounded() / 10)"
  }

  var json: JSONValue {
    var members: [(String, JSONValue)] = [
      ("residency", .string(plan.residency.rawValue)), ("kv", .string(plan.kvType.rawValue)),
      ("peak_bytes", .integer(plan.peakByteCount)),
      ("anonymous_peak_bytes", .integer(plan.anonymousPeakByteCount)),
      ("program_bytes", .integer(plan.program.byteCount)),
      ("minimum_bytes", .integer(plan.minimumByteCount)),
      ("budget_bytes", .integer(plan.budgetByteCount)),
      ("shortfall_bytes", .integer(plan.shortfallByteCount)),
      ("disk_bytes", .integer(plan.diskByteCount)),
      ("phases", .array(plan.phases.map(json))),
    ]
    if let speed {
      members.append(("expected_seconds", .number(plan.expectedSeconds(speed))))
      members.append(("processor_share", .number(speed.processorShare)))
    }
    return .object(JSONObject(members))
  }

  private func json(_ phase: RequestPlan.Phase) -> JSONValue {
    .object(
      JSONObject([
        ("phase", .string(phase.kind.rawValue)), ("passes", .integer(phase.passCount)),
        ("resident_weight_bytes", .integer(phase.weightByteCounts.resident)),
        ("mapped_weight_bytes", .integer(phase.weightByteCounts.mapped)),
        ("disk_bytes_per_pass", .integer(phase.diskByteCountPerPass)),
        ("disk_bytes", .integer(phase.diskByteCount)),
        (
          "buffers",
          .object(JSONObject(phase.buffers.map { ($0.name, .integer($0.byteCount)) }))
        ),
      ]))
  }
}

extension RequestPlan {
  /// What was planned beside what the process took in the end.
  var memoryJSON: JSONValue {
    .object(
      JSONObject([
        ("residency", .string(residency.rawValue)), ("planned_peak_bytes", .integer(peakByteCount)),
        ("planned_anonymous_bytes", .integer(anonymousPeakByteCount)),
        ("peak_bytes", ProcessMemory.peakByteCount().map { .integer($0) } ?? .null),
      ]))
  }
}
