import ArgumentParser
import VARConversion
import VARJSON

/// `varconvert plan SOURCE`.
struct PlanCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plan", abstract: "List what every tensor would become; write nothing.")

  @OptionGroup var arguments: ConversionArguments

  @Flag(help: "List every tensor, with what is folded and dropped.")
  var all = false

  func run() throws {
    let conversion = try arguments.conversion()
    if !arguments.quiet { printNotes(conversion) }
    if arguments.json {
      printLine(report(conversion))
    } else {
      printTotals(conversion)
      if all { printTensors(conversion.plan) }
    }
  }

  private func printTotals(_ conversion: Conversion) {
    let plan = conversion.plan
    let disk = conversion.disk()
    printLine(
      "recipe \(plan.recipeName.printable): \(plan.rows.count) tensors, \(Text.bytes(plan.byteCount))"
    )
    printLine("file: at most \(Text.bytes(disk.fileByteCount))")
    printLine("free disk needed: \(Text.bytes(disk.byteCount))")
    printLine(
      "memory: at most \(Text.bytes(conversion.memory.byteCount)) "
        + "(at least \(Text.bytes(conversion.memory.minimumByteCount)) must be granted), "
        + "\(conversion.memory.threadCount) threads")
    printLine(
      "folded: \(plan.folded.count) tensors; dropped: \(plan.dropped.count) tensors, "
        + Text.bytes(plan.dropped.reduce(0) { $0 + $1.byteCount }))
    printSizes("component", plan.componentByteCounts.map { ($0.component, $0.byteCount) })
    printSizes("precision", plan.precisionByteCounts.map { ($0.precision, $0.byteCount) })
    if !all { printLine("\n--all lists every tensor") }
  }

  private func printSizes(_ title: String, _ byteCounts: [(String, Int)]) {
    printLine("\n\(Text.padded(title, 14)) \(Text.padded("size", 10, isNumber: true))")
    for (name, byteCount) in byteCounts {
      printLine(
        "\(Text.padded(name, 14)) \(Text.padded(Text.bytes(byteCount), 10, isNumber: true))")
    }
  }

  private func printTensors(_ plan: ConversionPlan) {
    let nameWidth = plan.rows.map(\.name.count).max() ?? 0
    let header = [
      Text.padded("tensor", nameWidth), Text.padded("shape", 14), Text.padded("type", 8),
      Text.padded("size", 10, isNumber: true), "rule",
    ]
    printLine("\n" + header.joined(separator: "  "))
    for row in plan.rows {
      let type = row.precision.rawValue + (row.groupSize > 0 ? "/\(row.groupSize)" : "")
      let shape = row.shape.map(String.init).joined(separator: "x")
      let fields = [
        Text.padded(row.name, nameWidth), Text.padded(shape, 14), Text.padded(type, 8),
        Text.padded(Text.bytes(row.byteCount), 10, isNumber: true), row.rule.printable,
        row.note.isEmpty ? "" : "(\(row.note))",
      ]
      printLine(fields.filter { !$0.isEmpty }.joined(separator: "  "))
    }
    printLine("\nfolded:")
    for omission in plan.folded { printLine("  \(omission.name.printable): \(omission.reason)") }
    printLine("\ndropped:")
    for omission in plan.dropped {
      printLine(
        "  \(omission.name.printable): \(omission.reason) (\(Text.bytes(omission.byteCount)))")
    }
    if !plan.skipped.isEmpty { printLine("\nskipped:") }
    for omission in plan.skipped {
      printLine(
        "  \(omission.name.printable): \(omission.reason) (\(Text.bytes(omission.byteCount)))")
    }
  }

  private func report(_ conversion: Conversion) -> JSONValue {
    let plan = conversion.plan
    let disk = conversion.disk()
    let rows = plan.rows.map { row in
      JSONValue.object(
        JSONObject([
          ("name", .string(row.name)), ("group", .string(row.group)),
          ("component", .string(row.component)),
          ("shape", .array(row.shape.map { .integer($0) })),
          ("precision", .string(row.precision.rawValue)),
          ("group_size", .integer(row.groupSize)), ("rule", .string(row.rule)),
          ("bytes", .integer(row.byteCount)), ("note", .string(row.note)),
        ]))
    }
    func list(_ omissions: [ConversionPlan.Omission]) -> JSONValue {
      .array(
        omissions.map {
          .object(
            JSONObject([
              ("name", .string($0.name)), ("reason", .string($0.reason)),
              ("bytes", .integer($0.byteCount)),
            ]))
        })
    }
    return .object(
      JSONObject([
        ("recipe", .string(plan.recipeName)), ("bytes", .integer(plan.byteCount)),
        ("file_bytes", .integer(disk.fileByteCount)), ("disk_bytes", .integer(disk.byteCount)),
        ("memory_bytes", .integer(conversion.memory.byteCount)),
        ("minimum_memory_bytes", .integer(conversion.memory.minimumByteCount)),
        ("tensors", .array(rows)), ("folded", list(plan.folded)), ("dropped", list(plan.dropped)),
        ("skipped", list(plan.skipped)),
        ("notes", .array(conversion.notes.map { .string($0) })),
      ]))
  }
}
