import VARLite
import VARVision

/// Reads turns from standard input and answers them.
struct ChatLoop {
  let chat: Chat
  let outputFolder: String
  let isQuiet: Bool
  private var waiting: [RGBImage] = []
  /// What `/edit` changes: the last picture that was drawn or shown.
  private var lastPicture: RGBImage?
  private var drawnCount = 0
  private var input = StandardInput()

  init(chat: Chat, outputFolder: String, isQuiet: Bool) {
    self.chat = chat
    self.outputFolder = outputFolder
    self.isQuiet = isQuiet
  }

  private static let help = """
    TEXT               says something
    /image PATH        adds a picture to the next turn
    /draw PROMPT       draws a picture
    /edit INSTRUCTION  changes the last picture
    /exit              ends the conversation
    """

  mutating func run() throws {
    while true {
      if !isQuiet, Console.errorIsTerminal { Console.send("> ", to: 2) }
      guard let line = try input.nextLine() else { return }
      let words = line.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: true)
      guard let first = words.first else { continue }
      let rest = words.count > 1 ? String(words[1]) : ""
      // A turn that cannot be taken is told, and the conversation goes on as if it had not been said.
      switch first {
      case "/exit", "/quit": return
      case "/help": Console.error(Self.help)
      case "/image": addPicture(rest)
      case "/draw":
        if rest.isEmpty { Console.error("/draw needs a prompt") } else { try draw(rest) }
      case "/edit": try edit(rest)
      case _ where first.hasPrefix("/"):
        Console.error("\(first) is unknown; /help lists the commands")
      default: try answer(line)
      }
    }
  }

  private mutating func addPicture(_ path: String) {
    guard !path.isEmpty else { return Console.error("/image needs a path") }
    do throws(ImageError) {
      let picture = try ImageDecoder.decode(path: path)
      waiting.append(picture)
      lastPicture = picture
    } catch {
      Console.error("\(error)")
    }
  }

  private mutating func edit(_ instruction: String) throws {
    guard !instruction.isEmpty else { return Console.error("/edit needs an instruction") }
    if waiting.isEmpty {
      guard let lastPicture else { return Console.error("/edit needs a picture; use /image PATH") }
      waiting = [lastPicture]
    }
    try draw(instruction)
  }

  private mutating func draw(_ text: String) throws {
    if try answer(text) == .text {
      Console.error("the model answered without drawing; say more clearly that it shall draw")
    }
  }

  private enum Outcome {
    case text, picture, refused
  }

  @discardableResult
  private mutating func answer(_ text: String) throws -> Outcome {
    let prompt = Prompt(text, images: waiting)
    waiting = []
    let progress = Progress(isQuiet: isQuiet, printsText: true)
    defer { progress.close() }
    let reply: Chat.Reply
    do {
      reply = try chat.say(prompt, events: progress.report)
    } catch let error as GenerationError
      where error.code == .invalidRequest || error.code == .contextFull
    {
      progress.line("\(error)")
      return .refused
    } catch let error as ImageError {
      progress.line("\(error)")
      return .refused
    }
    progress.close()
    Console.output("\n")
    guard let image = reply.image else { return .text }
    lastPicture = image
    let path = freePath()
    try FileOutput.write(try PNGEncoder.encode(image, text: [("prompt", text)]), to: path)
    Console.output("\(path)\n")
    return .picture
  }

  /// Pictures of earlier conversations stay.
  private mutating func freePath() -> String {
    while true {
      drawnCount += 1
      let path = "\(outputFolder)/varlite-\(drawnCount).png"
      if !FileOutput.exists(path) { return path }
    }
  }
}
