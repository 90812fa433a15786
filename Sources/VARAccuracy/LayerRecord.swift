import VARKernels
import VARSystem

/// Rows that linear layers of a reference got, and what these layers made of them, in a part of a file.
package struct LayerRecord {
  let places: LayerPlaces
  let file: OpenFile
  /// Where the part begins in the file.
  let start: Int

  /// An empty one in a file of no name.
  ///
  /// - Parameter folder: where the file lies.
  package init(_ places: LayerPlaces, folder: String) throws(SystemError) {
    self.init(places, try OpenFile.temporary(in: folder), start: 0)
    try file.truncate(to: places.byteCount)
  }

  /// One that stands in a file.
  init(_ places: LayerPlaces, _ file: OpenFile, start: Int) {
    self.places = places
    self.file = file
    self.start = start
  }

  // MARK: Inputs

  package func put(input name: String, _ rows: (count: Int, values: [Float])) throws(SystemError) {
    guard let input = places.inputs[name] else { preconditionFailure("\(name) is no input") }
    try write([UInt32(rows.count)], at: input.index * MemoryLayout<UInt32>.size)
    try write(rows.values, at: input.place)
  }

  /// The rows of an input that were kept.
  ///
  /// - Throws: `read` where the file says what cannot be.
  package func input(_ name: String) throws(SystemError) -> (count: Int, values: [Float]) {
    guard let input = places.inputs[name] else { preconditionFailure("\(name) is no input") }
    let place = input.index * MemoryLayout<UInt32>.size
    let count = Int(try file.values(at: start + place, count: 1, of: UInt32.self)[0])
    guard count <= places.rowCount else { throw SystemError(.read(at: start + place), 0) }
    return (count, try file.values(at: start + input.place, count: count * input.columns))
  }

  // MARK: Outputs

  /// - Parameter columns: which of a row's values these are.
  func put(
    output name: String, row: Int, columns: Range<Int>, _ values: UnsafeBufferPointer<Float>
  ) throws(SystemError) {
    try file.write(
      UnsafeRawBufferPointer(values), at: start + place(of: name, row, columns.lowerBound))
  }

  func output(
    _ name: String, row: Int, columns: Range<Int>
  ) throws(SystemError) -> [Float] {
    try file.values(
      at: start + place(of: name, row, columns.lowerBound), count: columns.count)
  }

  /// Sum of the squares of `W x` over all rows.
  func put(squares: Double, of name: String) throws(SystemError) {
    try write([squares], at: output(name).place)
  }

  func squares(of name: String) throws(SystemError) -> Double {
    try file.values(at: start + output(name).place, count: 1)[0]
  }

  private func output(_ name: String) -> LayerPlaces.Output {
    guard let output = places.outputs[name] else { preconditionFailure("\(name) is no matrix") }
    return output
  }

  private func place(of name: String, _ row: Int, _ column: Int) -> Int {
    let output = output(name)
    return output.valuesPlace + (row * output.rows + column) * MemoryLayout<Float>.size
  }

  // MARK: Bytes

  private func write<Value: BitwiseCopyable>(
    _ values: [Value], at place: Int
  ) throws(SystemError) {
    try file.write(values.withUnsafeBytes { Array($0) }, at: start + place)
  }
}
