import VARForcedRun
import VARKernels
import VARLite

/// How far the outputs of a model's linear layers are from the reference's, each for rows of the reference's inputs:
/// errors do not add up from layer to layer.
///
/// The error of a layer is the root of `sum of |y - y'|² / sum of |W x|²` over the rows, where `y` and `y'` are the
/// outputs of both models and `W` is the reference's weight.
enum LayerOutputs {
  /// Keeps what the layers of a reference make of the rows.
  static func record(
    of reference: Model, in record: LayerRecord, _ options: ForcedRun.Options
  ) throws {
    var squares: [String: Double] = [:]
    try LayerPass(reference, record, options).run { output in
      for row in 0..<output.rows.count {
        let values = output.rows[row]
        try record.put(
          output: output.name, row: row, columns: output.columns,
          UnsafeBufferPointer(start: values, count: output.columns.count))
        var sum = 0.0
        for column in 0..<output.columns.count {
          let product = Double(values[column]) - (output.bias.map { Double($0[column]) } ?? 0)
          sum += product * product
        }
        squares[output.name, default: 0] += sum
      }
    }
    for (name, sum) in squares { try record.put(squares: sum, of: name) }
  }

  /// The error of each layer of a model, by the name of its weight.
  static func errors(
    of model: Model, against record: LayerRecord, _ options: ForcedRun.Options
  ) throws -> [String: Double] {
    var squares: [String: Double] = [:]
    try LayerPass(model, record, options).run { output in
      for row in 0..<output.rows.count {
        let expected = try record.output(output.name, row: row, columns: output.columns)
        let values = output.rows[row]
        var sum = 0.0
        for column in expected.indices {
          let error = Double(values[column]) - Double(expected[column])
          sum += error * error
        }
        squares[output.name, default: 0] += sum
      }
    }
    return Dictionary(
      uniqueKeysWithValues: try squares.map { name, sum in
        let whole = try record.squares(of: name)
        return (name, whole > 0 ? (sum / whole).squareRoot() : 0)
      })
  }
}
