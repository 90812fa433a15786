import ArgumentParser
import VARJSON
import VARLite
import VARVision

struct ReconstructCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "reconstruct",
    abstract: "Turns a picture into bits per scale and back.",
    discussion: """
      Shows what the picture tokenizer keeps. Example: varlite reconstruct photo.jpg -o back.png
      """)

  @Argument(
    help: "A PNG, JPEG or WebP picture; - is standard input.",
    completion: .file(extensions: PictureOptions.endings))
  var input: String

  @Option(
    name: .shortAndLong,
    help: ArgumentHelp(
      "The PNG or JPEG (.jpg) to write; - is standard output.", valueName: "out.png"),
    completion: .file())
  var output: String

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Size: the side of a square with as many pixels, 256, 512, 768, 1024 or the model's own.",
      valueName: "px"))
  var size: Int?

  @OptionGroup var storage: StorageOptions
  @OptionGroup(title: "Model") var model: ModelOptions

  func run() throws {
    let file = try PictureOutput(output, quality: storage.quality)
    try FileOutput.check(output, sparing: [try self.model.path()])
    let picture = try PictureInput.picture(input, ram: self.model.ram)
    let model = try self.model.open()
    let progress = self.model.progress()
    defer { progress.close() }
    let result = try model.reconstruct(
      picture, size: size.map { .pixels($0) } ?? .modelDefault,
      stop: Interruption.stop, events: progress.report)
    progress.finish()
    try file.write(result.picture)
    let decibels = (result.psnr * 100).rounded() / 100
    if self.model.json {
      let object = JSONObject([
        ("output", .string(output)), ("width", .integer(result.picture.width)),
        ("height", .integer(result.picture.height)), ("psnr_db", .number(decibels)),
        ("bits", .integer(result.bits.reduce(0) { $0 + $1.count })),
      ])
      FileOutput.report(object, beside: [output])
    } else if !self.model.quiet {
      progress.line(
        "\(output): \(result.picture.width)x\(result.picture.height), PSNR \(decibels) dB against "
          + "the picture at that size")
    }
  }
}
