import VARKernels
import VARLite
import VARModels
import VARSharedCLI
import VARSystem
import VARVision

/// How `chat` goes.
struct ChatSettings {
  /// Where drawn pictures go.
  var outputFolder: String
  /// Whether the model may answer `/draw` and `/edit` without a picture.
  var letsModelDecide: Bool
  /// Whether pictures tell what they were made with.
  var hasMetadata: Bool
  /// How much is said on standard error.
  var detail: ProgressLine.Detail
  /// Memory that the program may take while it decodes pictures.
  var ram: ByteCount?

  var isQuiet: Bool { detail == .none }
}

/// Reads turns from standard input and answers them.
struct ChatLoop {
  private let settings: ChatSettings
  /// How text is picked; the seed is the conversation's.
  var sampling = TextSampling()
  /// Begins a conversation.
  private let begin: () throws -> ChatSession
  private var chat: ChatSession
  private var seed: UInt64
  private var waiting: [Picture] = []
  /// What `/edit` changes: the last picture that was drawn or shown.
  private var lastPicture: Picture?
  private var drawnCount = 0
  private var input: ChatInput

  /// - Parameter begin: called for the conversation, and again for each that `/clear` starts.
  init(
    settings: ChatSettings, seed: UInt64, begin: @escaping () throws -> ChatSession
  ) throws {
    self.settings = settings
    self.seed = seed
    self.begin = begin
    chat = try begin()
    input = ChatInput(isQuiet: settings.isQuiet)
  }

  private static let help = """
    TEXT               says something
    /image PATH        adds a picture to the next turn; quotes, ~ and file:// are understood
    /draw PROMPT       draws a picture
    /edit INSTRUCTION  changes the last picture
    /seed [N|random]   tells the seed, or takes another one for what follows
    /clear             forgets everything that was said and shown
    /help              lists the commands
    /exit              ends the conversation, as Ctrl-D does; Ctrl-C ends an answer
    """

  /// - Parameter model: the model's name, for the first line.
  mutating func run(model: String) throws {
    if !settings.isQuiet {
      Console.error(
        "\(model): /image, /draw, /edit, /seed, /clear, /exit; /help says more; "
          + "Ctrl-C ends an answer")
    }
    while let line = try nextLine() {
      let words = line.split(maxSplits: 1, whereSeparator: \.isWhitespace)
      guard let first = words.first else { continue }
      let rest = words.count > 1 ? String(words[1]).trimmed : ""
      // A turn that cannot be taken is told, and the conversation goes on as if it had not been said.
      switch first {
      case "/exit", "/quit": return
      case "/help": Console.error(Self.help)
      case "/image": addPicture(rest)
      case "/draw":
        if rest.isEmpty { Console.error("/draw needs a prompt") } else { try draw(rest) }
      case "/edit": try edit(rest)
      case "/seed": reseed(rest)
      case "/clear": try clear()
      case _ where first.hasPrefix("/"):
        Console.error("\(first) is unknown; /help lists the commands")
      default: try answer(line)
      }
    }
    if input.isInteractive { Console.error("") }
  }

  /// The next line that can be read; a line that is no text, or too long, is told.
  private mutating func nextLine() throws(VARLiteError) -> String? {
    while true {
      do throws(VARLiteError) {
        return try input.nextLine()
      } catch {
        guard error.category == .request, input.goesOn else { throw error }
        Console.error(Failure.text(error))
      }
    }
  }

  private mutating func addPicture(_ text: String) {
    guard !text.isEmpty else { return Console.error("/image needs a path") }
    let path = PathArgument.path(text)
    do {
      guard waiting.count < Request.maximumPictureCount else {
        return Console.error("\(waiting.count) pictures go with the next turn, and no more can")
      }
      let (picture, size) = try PictureInput.file(path, ram: settings.ram)
      waiting.append(picture)
      lastPicture = picture
      guard !settings.isQuiet else { return }
      Console.error(
        "\(path): \(size.width)x\(size.height), "
          + (waiting.count == 1
            ? "goes with the next turn" : "picture \(waiting.count) of the next turn"))
    } catch {
      Console.error(Failure.text(error))
    }
  }

  private mutating func reseed(_ text: String) {
    if !text.isEmpty {
      guard let seed = Seed(argument: text) else {
        return Console.error("/seed needs a number from 0 on, or random, not \(text)")
      }
      self.seed = seed.value
    }
    Console.error("seed \(seed)")
  }

  private mutating func clear() throws {
    waiting = []
    lastPicture = nil
    chat = try begin()
    Console.error("a new conversation begins")
  }

  private mutating func edit(_ instruction: String) throws {
    guard !instruction.isEmpty else { return Console.error("/edit needs an instruction") }
    guard !waiting.isEmpty || lastPicture != nil else {
      return Console.error("/edit needs a picture; use /image PATH")
    }
    try draw(instruction, from: lastPicture)
  }

  /// - Parameter picture: goes along where none waits.
  private mutating func draw(_ text: String, from picture: Picture? = nil) throws {
    guard chat.canDraw else { return Console.error("the model cannot draw: it has no generator") }
    let outcome = try answer(text, showing: picture, draws: !settings.letsModelDecide)
    if outcome == .text {
      Console.error("the model answered without drawing; say more clearly that it shall draw")
    }
  }
}

// MARK: Turns

extension ChatLoop {
  private enum Outcome {
    case text, picture, refused
  }

  @discardableResult
  private mutating func answer(
    _ text: String, showing picture: Picture? = nil, draws: Bool = false
  ) throws -> Outcome {
    let waited = waiting
    waiting = []
    let pictures = waited.isEmpty ? [picture].compactMap(\.self) : waited
    let progress = ProgressLine(detail: settings.detail, printsText: true)
    defer { progress.close() }
    let reply: Response
    do {
      let request = try request(text, pictures, draws: draws)
      reply = try chat.run(request, stop: Interruption.stop, events: progress.report)
    } catch {
      guard let reason = reason(toGoOnAfter: error) else { throw error }
      // What was not said is still to be said.
      if Interruption.isControlC {
        waiting = waited
        Interruption.forget()
      }
      if progress.hasShownText { Console.output("\n") }
      progress.line(reason)
      return .refused
    }
    progress.close()
    Console.output("\n")
    progress.finish()
    guard let image = reply.picture else {
      if !settings.isQuiet {
        progress.line(progress.textSummary(tokenCount: reply.usage.textTokens))
      }
      return .text
    }
    lastPicture = Picture(image)
    let path = try takenPath()
    let texts = settings.hasMetadata ? [("prompt", text), ("seed", "\(seed)")] : []
    do {
      try PictureOutput(path, quality: nil).write(image, text: texts)
    } catch {
      FileTree.remove(path)
      throw error
    }
    Console.output("\(path)\n")
    if !settings.isQuiet {
      let seconds = ProgressLine.seconds(progress.elapsedSeconds)
      progress.line("\(image.width)x\(image.height) in \(seconds), seed \(seed)")
    }
    return .picture
  }

  private func request(_ text: String, _ pictures: [Picture], draws: Bool) throws -> Request {
    var request = Request(
      messages: [try Message(typed: text, pictures: pictures)],
      text: sampling)
    request.text.seed = seed
    guard chat.canDraw else { return request }
    request.drawing = DrawingRequest(seed: seed)
    request.drawing?.start = draws ? .afterText : .whereTheModelStarts
    return request
  }

  /// What to say of a turn that could not be taken; nil where the conversation cannot go on.
  private func reason(toGoOnAfter error: any Error) -> String? {
    switch error {
    case _ where Interruption.isControlC && Console.outputFailure == nil && input.isInteractive:
      return "stopped; the turn is forgotten"
    case let error as VARLiteError where error.category == .contextFull:
      let way = "varlite chat --context N has room for longer conversations"
      return "\(error)\n" + (chat.tokenCount > 0 ? "/clear begins a new conversation; " : "") + way
    // What one turn cannot have, another one may.
    case let error as VARLiteError
    where [.request, .memory, .busy, .file, .picture].contains(error.category)
      && Console.outputFailure == nil:
      return Failure.text(error)
    case let error as ImageError: return "\(error)"
    default: return nil
    }
  }

  /// Takes a name for a picture by an empty file: pictures of other conversations stay, of those that run now too.
  private mutating func takenPath() throws(VARLiteError) -> String {
    while true {
      drawnCount += 1
      let path = "\(settings.outputFolder)/varlite-\(drawnCount).png"
      do throws(SystemError) {
        try WholeFile.claim(path)
        return path
      } catch {
        guard error.isTaken else {
          throw VARLiteError(.file, "\(path): cannot be written: \(error.message)\(error.advice)")
        }
      }
    }
  }
}
