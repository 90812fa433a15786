import VARConversion
import VARJSON
import VARQuantization

/// What `check --json` prints. A number that is not finite, as the ratio to a noise that is not there, is null.
struct CheckReport {
  let model: String
  let rows: [ConversionCheck.Row]
  let summary: ConversionCheck.Summary

  var json: JSONValue {
    .object(
      JSONObject([
        ("model", .string(model)), ("past_limit", .integer(summary.failureCount)),
        ("tensors", .array(rows.map(Self.tensor))),
        ("worst", .array(summary.worst.map(Self.place))),
        (
          "totals",
          .array(
            summary.totals.map { Self.total($0.precision.rawValue, $0.total) }
              + [Self.total("all", summary.total)])
        ),
      ]))
  }

  private static func tensor(_ row: ConversionCheck.Row) -> JSONValue {
    let first: [(String, JSONValue)] = [
      ("name", .string(row.name)), ("precision", .string(row.precision.rawValue)),
      ("relative_error", number(row.error.relative)), ("limit", number(row.limit)),
      ("within_limit", .bool(row.isWithinLimit)),
    ]
    return .object(
      JSONObject(first + figures(row.comparison) + size(row.size, row.bitsPerWeight)))
  }

  private static func place(_ row: ConversionCheck.Row) -> JSONValue {
    .object(
      JSONObject([
        ("name", .string(row.name)), ("relative_error", number(row.error.relative)),
        ("limit", number(row.limit)), ("error_over_limit", number(row.errorOverLimit)),
      ]))
  }

  private static func total(_ precision: String, _ total: ConversionCheck.Total) -> JSONValue {
    let first: [(String, JSONValue)] = [
      ("precision", .string(precision)), ("tensors", .integer(total.tensorCount)),
      ("relative_error", number(total.comparison.error.relative)),
    ]
    return .object(
      JSONObject(first + figures(total.comparison) + size(total.size, total.bitsPerWeight)))
  }

  private static func figures(_ comparison: WeightComparison) -> [(String, JSONValue)] {
    [
      ("sqnr_db", number(comparison.signalToNoise)),
      ("largest_error", number(comparison.largestError)),
      ("largest_error_over_rms", number(comparison.largestErrorOverRootMeanSquare)),
      ("saturated_share", number(comparison.saturatedShare)),
      ("zero_share", number(comparison.zeroShare)),
      ("weights", .integer(comparison.elementCount)),
    ]
  }

  private static func size(
    _ size: ConversionCheck.Size, _ bitsPerWeight: Double
  ) -> [(String, JSONValue)] {
    [
      ("bits_per_weight", number(bitsPerWeight)), ("bytes", .integer(size.byteCount)),
      ("stored_bytes", .integer(size.storedByteCount)),
    ]
  }

  private static func number(_ value: Double) -> JSONValue {
    value.isFinite ? .number(value) : .null
  }
}
