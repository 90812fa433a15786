import VARForcedRun
import VARLite
import VARSystem

/// Runs a calibration and writes its file.
package struct Calibration {
  private let model: Model
  private let blockCols: Int
  private let cases: [ForcedCase]

  /// - Parameter blockCols: columns of a block of second moments.
  package init(_ model: Model, cases: [ForcedCase], blockCols: Int) {
    self.model = model
    self.cases = cases
    self.blockCols = blockCols
  }

  /// - Parameters:
  ///   - isCancelled: asked before each layer; true ends the run with `ModelError` of the code `cancelled`.
  ///   - progress: told what begins, and how many of all steps are done.
  package func write(
    to path: String, isCancelled: @escaping () -> Bool,
    progress: (_ step: String, _ done: Int, _ count: Int) -> Void
  ) throws {
    let folder = path.split(separator: "/", omittingEmptySubsequences: false).dropLast()
    let recorder = TraceRecorder(
      spool: try Self.writing(path) { () throws(SystemError) in
        try OpenFile.temporary(in: folder.isEmpty ? "." : folder.joined(separator: "/") + "/")
      })
    recorder.metadata = [
      ("block", "\(blockCols)"), ("calibration", "1"), ("model", model.contentHash),
    ]
    try withoutActuallyEscaping(progress) { progress in
      let options = ForcedRun.Options(isCancelled: isCancelled, progress: progress)
      let collector = try MomentCollector(model, blockCols: blockCols) {
        record($0, $1, recorder)
      }
      try ForcedRun(
        model, cases: PreparedCase.prepare(cases, model, options), options, watcher: collector
      ).run()
    }
    try Self.writing(path) { () throws(SystemError) in
      try WholeFile.write(recorder.safetensors(), to: path)
    }
  }

  private static func writing<Value>(
    _ path: String, _ body: () throws(SystemError) -> Value
  ) throws(VARLiteError) -> Value {
    do throws(SystemError) { return try body() } catch {
      throw VARLiteError(.file, "\(path): cannot be written: \(error.message)\(error.advice)")
    }
  }

  private func record(_ name: String, _ input: CalibratedInput, _ recorder: TraceRecorder) {
    func record(_ name: String, _ values: [Float]) {
      values.withUnsafeBufferPointer {
        recorder.record(name, shape: [values.count], floats: $0.baseAddress!)
      }
    }
    record(name, input.triangles)
    record(name + ".means", input.means)
    record(name + ".largest", input.largest)
    record(
      name + ".counts",
      [Float(input.tokenCount), Float(input.weightSum), Float(input.kurtosis)])
  }
}
