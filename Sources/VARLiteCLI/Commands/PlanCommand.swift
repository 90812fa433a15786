import ArgumentParser
import VARKernels
import VARLite
import VARVision

struct PlanCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plan",
    abstract: "Says what a request will take, without running it.",
    discussion: """
      Memory of each phase, disk traffic, and the time to expect after a measurement of this \
      machine. Exit code 4 where the request would not fit. Example: varlite plan model.vq4 --task \
      generate --size 512 --ram 2G
      """)

  enum Task: String, ExpressibleByArgument, CaseIterable {
    case generate, understand, edit
  }

  @Argument(
    help: "The .vq4 file; default: as for the other commands.",
    completion: .file(extensions: ["vq4"]))
  var file: String?

  @Option(help: ArgumentHelp("What is to be done.", valueName: "generate|understand|edit"))
  var task = Task.generate

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Pictures to look at; default: 1 for edit and where their size is given.", valueName: "n"))
  var images: Int?

  @Option(
    help: ArgumentHelp(
      "Size of the pictures to look at, in pixels; default: 448x448.", valueName: "WxH"))
  var imageSize: PictureSize?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Tokens of text in the prompt, with the system message.", valueName: "n"))
  var promptTokens = 40

  @Option(
    name: [.customShort("n"), .long],
    parsing: .unconditional,
    help: ArgumentHelp(
      "Tokens to write at most; default: 512, before a picture 128.", valueName: "n"))
  var maxTokens: Int?

  @Flag(help: "Every buffer of every phase, too.")
  var all = false

  @OptionGroup var pixels: PixelOptions
  @OptionGroup(title: "Picture to draw") var picture: PictureShapeOptions
  @OptionGroup(title: "Model") var model: ModelOptions

  func validate() throws {
    if file != nil, model.model != nil {
      throw ValidationError("the model is named twice")
    }
    if let images, !(0...Request.maximumPictureCount).contains(images) {
      throw ValidationError("--images is 0 to \(Request.maximumPictureCount), not \(images)")
    }
    if task == .edit, images == 0 { throw ValidationError("edit needs a picture") }
    guard (1...1_000_000).contains(promptTokens) else {
      throw ValidationError("--prompt-tokens is 1 to 1000000, not \(promptTokens)")
    }
    if let maxTokens, !(1...1_000_000).contains(maxTokens) {
      throw ValidationError("--max-tokens is 1 to 1000000, not \(maxTokens)")
    }
  }

  func run() throws {
    let model = try self.model.open(file)
    let request = try self.request()
    let plan = try model.plan(request, promptTokens: promptTokens)
    let speed = MachineSpeed.measure(model)
    let report = PlanReport(plan: plan, speed: speed, title: title(model), listsBuffers: all)
    Console.output(self.model.json ? report.json.terminalText + "\n" : report.text)
    try model.requireFit(request, promptTokens: promptTokens)
  }

  private func title(_ model: Model) -> String { "\(task.rawValue) with \(model.path.printable)" }

  private func request() throws -> Request {
    let count = images ?? (task == .edit || imageSize != nil ? 1 : 0)
    let size = imageSize ?? PictureSize(width: 448, height: 448)
    let picture = Picture(width: size.width, height: size.height)
    var request = Request(
      "", pictures: Array(repeating: picture, count: count),
      sampling: TextSampling(maximumTokens: maxTokens))
    pixels.apply(to: &request)
    if task != .understand {
      request.drawing = try self.picture.drawing(
        ofSize: task == .edit ? (size.width, size.height) : nil)
    }
    return request
  }
}

/// A size in pixels as an argument.
struct PictureSize: ExpressibleByArgument {
  let width, height: Int

  init(width: Int, height: Int) {
    self.width = width
    self.height = height
  }

  init?(argument: String) {
    let sides = argument.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
    guard sides.count == 2, let width = sides[0], let height = sides[1],
      (1...100_000).contains(width), (1...100_000).contains(height)
    else { return nil }
    self.init(width: width, height: height)
  }
}
