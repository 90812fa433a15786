import VARLite
import VARModels

/// Where a file keeps rows that linear layers of a reference get, and what these layers make of them: known from the
/// model's shapes alone.
///
///     4 bytes for each input          rows that are kept of it, fewer than there is room for where fewer came
///     rows of each input              f32, room for `rowCount` of them
///     of each matrix 8 bytes, rows    sum of the squares of `W x` in f64; outputs in f32, `rowCount` of them
package struct LayerPlaces {
  /// A matrix, and the name of the first one that takes its input.
  package struct Layer {
    let name, input: String
    let rows, columns: Int

    package init(_ name: String, input: String, rows: Int, columns: Int) {
      self.name = name
      self.input = input
      self.rows = rows
      self.columns = columns
    }
  }

  struct Input {
    let index, columns, place: Int
  }

  struct Output {
    /// Name of the input.
    let input: String
    let rows, place: Int
    /// Where the outputs begin.
    var valuesPlace: Int { place + MemoryLayout<Double>.size }
  }

  /// Rows of an input that are kept at most.
  let rowCount: Int
  private(set) var inputs: [String: Input] = [:]
  private(set) var outputs: [String: Output] = [:]
  private(set) var byteCount: Int

  /// Rows of every layer are kept as far as these bytes go, but no more than 64 and no fewer than 4: errors of layers
  /// are means over rows.
  private static let roomBytes = 96 << 20
  private static let rowCounts = 4...64

  init(_ model: Model) {
    self.init(
      model.tensors.filter {
        $0.kind == .matrix && model.file.tensorIndex(named: $0.name) != nil
      }.map { Layer($0.name, input: $0.input, rows: $0.shape[0], columns: $0.shape[1]) })
  }

  package init(_ layers: [Layer]) {
    let firsts = layers.filter { $0.input == $0.name }
    let values = firsts.reduce(0) { $0 + $1.columns } + layers.reduce(0) { $0 + $1.rows }
    let fitting = Self.roomBytes / max(1, values * MemoryLayout<Float>.size)
    rowCount = min(max(fitting, Self.rowCounts.lowerBound), Self.rowCounts.upperBound)
    byteCount = firsts.count * MemoryLayout<UInt32>.size
    for (index, layer) in firsts.enumerated() {
      inputs[layer.name] = Input(index: index, columns: layer.columns, place: byteCount)
      byteCount += rowCount * layer.columns * MemoryLayout<Float>.size
    }
    for layer in layers where inputs[layer.input] != nil {
      outputs[layer.name] = Output(input: layer.input, rows: layer.rows, place: byteCount)
      byteCount +=
        MemoryLayout<Double>.size + rowCount * layer.rows * MemoryLayout<Float>.size
    }
  }
}
