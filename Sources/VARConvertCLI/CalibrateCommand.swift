import ArgumentParser
import VARCalibration
import VARLite
import VARSharedCLI

/// `varconvert calibrate MODEL.vq4 -o calibration.safetensors`.
struct CalibrateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "calibrate",
    abstract: "Sum what goes into a model's layers, for --calibration.")

  @Argument(help: "The model that runs, of any precision.", completion: .file(extensions: ["vq4"]))
  var model: String

  @Option(
    name: .shortAndLong,
    help: ArgumentHelp("The file to write.", valueName: "calibration.safetensors"),
    completion: .file(extensions: ["safetensors"]))
  var output: String

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Columns of a block of second moments, a multiple of 128.", valueName: "n"))
  var block = 1024

  @Option(
    name: .shortAndLong, parsing: .unconditional,
    help: ArgumentHelp("Threads; the file does not depend on it.", valueName: "n"))
  var threads: Int?

  @Flag(help: "No progress on stderr.")
  var quiet = false

  func validate() throws {
    guard (128...4096).contains(block), block % 128 == 0 else {
      throw ValidationError("--block \(block) is no multiple of 128 within 128...4096.")
    }
  }

  func run() throws {
    let runtime = try Runtime(options: Runtime.Options(threadCount: threads))
    let model = try runtime.open(self.model)
    let calibration = Calibration(model, blockCols: block)
    try calibration.write(to: output) { if !quiet { printError($0) } }
  }
}
