import VARLite
import VARSystem
import VQ4Format

/// Writes a calibration file input by input, in a file beside it that gets its name when it is complete.
final class CalibrationWriter {
  let path: String
  private let file: OpenFile
  private let layout: CalibrationLayout
  private let places: [String: Int]
  private let headerByteCount: Int
  private var partialPath: String { Self.partialPath(path) }

  static func partialPath(_ path: String) -> String { path + ".partial" }

  /// Takes the file beside it, and leaves its content alone.
  ///
  /// - Throws: `VARLiteError` where the file cannot be made, belongs to another program or is none of ours.
  init(_ path: String, _ layout: CalibrationLayout) throws(VARLiteError) {
    self.path = path
    self.layout = layout
    places = layout.places
    headerByteCount = layout.header(content: CalibrationLayout.noContent).count
    let partial = Self.partialPath(path)
    file = try Self.writing(path) { () throws(SystemError) in
      try OpenFile(partial, .creating)
    }
    guard file.lock() else {
      throw VARLiteError(
        .file, "\(partial): another program is writing this file; name another output")
    }
    do throws(HelperFile.Refusal) {
      try HelperFile.check(file, sparing: [], isOurs: Self.isCalibration)
    } catch {
      throw VARLiteError(.file, "\(partial): \(error.problem); move it away")
    }
  }

  /// Begins anew.
  func begin() throws(VARLiteError) {
    let (file, header) = (file, layout.header(content: CalibrationLayout.noContent))
    let byteCount = header.count + layout.dataByteCount
    try Self.writing(path) { () throws(SystemError) in
      try file.truncate(to: 0)
      try file.truncate(to: byteCount)
      try file.write(header, at: 0)
    }
  }

  /// Whether the file holds what an earlier run of the same layout wrote.
  var canContinue: Bool {
    let header = layout.header(content: CalibrationLayout.noContent)
    return (try? file.status())?.byteCount == header.count + layout.dataByteCount
      && (try? file.bytes(at: 0, count: header.count)) == header
  }

  /// Whether nothing was written yet.
  var isEmpty: Bool { (try? file.status())?.byteCount == 0 }

  /// Whether a file that begins so is a calibration, or the beginning of one.
  private static func isCalibration(_ start: [UInt8]) -> Bool {
    start.allSatisfy { $0 == 0 } || start.dropFirst(8).starts(with: Array(#"{"__metadata__""#.utf8))
  }

  /// Writes what was counted of an input.
  func put(_ name: String, _ input: CalibratedInput) throws(VARLiteError) {
    guard let place = places[name] else { preconditionFailure("\(name) is no input of the model") }
    let counts = [Float(input.tokenCount), Float(input.weightSum), Float(input.kurtosis)]
    var next = headerByteCount + place
    let drift = input.drift.map { [$0.products, $0.means] } ?? []
    for values in [input.triangles, input.means, input.largest, counts] + drift {
      let file = file
      let start = next
      try Self.writing(path) { () throws(SystemError) in
        try values.withUnsafeBufferPointer { (values) throws(SystemError) in
          try file.write(UnsafeRawBufferPointer(values), at: start)
        }
      }
      next += values.count * MemoryLayout<Float>.stride
    }
  }

  /// Brings to the disk what was written so far.
  func flush() throws(VARLiteError) {
    let file = file
    try Self.writing(path) { () throws(SystemError) in try file.flushData() }
  }

  /// Gives the complete file its name.
  ///
  /// - Parameter removing: called when all is on the disk: from then on nobody goes on with it.
  func publish(removing: () -> Void = {}) throws {
    let hash = try StreamHasher()
    let pieceByteCount = 1 << 20
    let (file, partial, path) = (file, partialPath, path)
    for start in stride(from: 0, to: layout.dataByteCount, by: pieceByteCount) {
      hash.update(
        try Self.writing(path) { () throws(SystemError) in
          try file.bytes(
            at: headerByteCount + start, count: min(pieceByteCount, layout.dataByteCount - start))
        })
    }
    let header = layout.header(content: hash.value.description)
    try Self.writing(path) { () throws(SystemError) in
      try file.write(header, at: 0)
      try file.flush()
      removing()
      try FileTree.rename(partial, to: path)
      try FileTree.flushFolder(of: path)
    }
  }

  /// Removes what was written so far.
  func discard() { FileTree.remove(partialPath) }

  static func writing<Value>(
    _ path: String, _ body: () throws(SystemError) -> Value
  ) throws(VARLiteError) -> Value {
    do throws(SystemError) { return try body() } catch {
      throw VARLiteError(.file, "\(path): cannot be written: \(error.message)\(error.advice)")
    }
  }
}
