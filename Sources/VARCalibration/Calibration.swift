import VARLite
import VARSystem

/// Runs a calibration and writes its file.
package struct Calibration {
  private let model: Model
  private let blockCols: Int

  package init(_ model: Model, blockCols: Int) {
    self.model = model
    self.blockCols = blockCols
  }

  /// - Parameter progress: told of each step.
  package func write(to path: String, progress: @escaping (String) -> Void) throws {
    let folder = path.split(separator: "/", omittingEmptySubsequences: false).dropLast()
    let recorder = TraceRecorder(
      spool: try OpenFile.temporary(
        in: folder.isEmpty ? "." : folder.joined(separator: "/") + "/"))
    recorder.metadata = [
      ("block", "\(blockCols)"), ("calibration", "1"), ("model", model.contentHash),
    ]
    let run = try CalibrationRun(
      model, cases: SceneCases.cases(pictureSize: model.drawnSize), blockCols: blockCols,
      progress: progress
    ) { name, input in
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
    try run.run()
    try WholeFile.write(recorder.safetensors(), to: path)
  }
}

extension Model {
  /// Width and height of the pictures that the model draws unasked.
  var drawnSize: Int {
    configuration.schedule.finalGrid.height * configuration.vae.stride
  }
}
