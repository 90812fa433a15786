import ArgumentParser
import VARLite
import VARSharedCLI
import VARVision

struct ChatCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "chat", abstract: "One conversation with text and pictures.",
    discussion: """
      Lines are turns. /image PATH adds a picture to the next turn, /draw PROMPT draws, \
      /edit INSTRUCTION changes the last picture, /seed N takes another seed, /clear forgets \
      everything, /help lists the commands, /exit or the end of the input ends the conversation.

      On a terminal, lines can be edited, the arrow keys bring back earlier ones, and Ctrl-C ends \
      an answer; twice at the prompt it ends the conversation.
      """)

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Text and picture tokens that the conversation may have.", valueName: "n"))
  var context = 2048

  @Option(
    help: ArgumentHelp("Folder for drawn pictures.", valueName: "folder"), completion: .directory)
  var outputFolder = "."

  @OptionGroup var seedOption: SeedOption

  @Flag(help: "/draw and /edit draw only where the model starts a picture by itself.")
  var letModelDecide = false

  @Flag(help: "Write no prompt and seed into the picture files.")
  var noMetadata = false

  @Option(
    name: [.customShort("n"), .long],
    parsing: .unconditional, help: ArgumentHelp("Tokens to write per turn at most.", valueName: "n")
  )
  var maxTokens = 512

  @Option(
    parsing: .unconditional, help: ArgumentHelp("0 takes the most probable token.", valueName: "x"))
  var temperature = 0.0

  @OptionGroup var promptCacheOption: PromptCacheOption
  @OptionGroup(title: "Model") var model: ModelOptions

  func validate() throws {
    if model.json { throw ValidationError("chat prints text; --json is for the other commands") }
    guard (64...1_000_000).contains(context) else {
      throw ValidationError("--context is 64 to 1000000, not \(context)")
    }
    guard (1...100_000).contains(maxTokens) else {
      throw ValidationError("--max-tokens is 1 to 100000, not \(maxTokens)")
    }
    guard (0...100).contains(temperature) else {
      throw ValidationError("--temperature is 0 to 100, not \(temperature)")
    }
  }

  func run() throws {
    let model = try self.model.open(
      promptCache: promptCacheOption.settings(hasManyRequests: true, isQuiet: self.model.quiet),
      readsAhead: true)
    try FileOutput.check("\(outputFolder)/varlite-1.png")
    let settings = ChatSettings(
      outputFolder: outputFolder, letsModelDecide: letModelDecide, hasMetadata: !noMetadata,
      detail: self.model.detail, ram: self.model.ram)
    var loop = try ChatLoop(settings: settings, seed: seedOption.value) {
      try ChatSession(model, contextTokens: context)
    }
    loop.sampling = TextSampling(temperature: temperature, maximumTokens: maxTokens)
    let name = model.path.split(separator: "/").last.map(String.init) ?? model.path
    try loop.run(model: name)
  }
}
