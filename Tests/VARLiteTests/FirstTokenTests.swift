import Testing
import VARLite
import VARModels
import VARSystem
import VARTestSupport

/// How long the first token of an answer takes where the beginning of the prompt is kept: as long as the tokens that
/// are read. It wants a model of some size and a machine that does nothing else, and prints what it measures.
@Suite(
  .serialized,
  .enabled(
    if: FirstTokenModel.path != nil,
    "VARLITE_FIRST_TOKEN names no model (.vq4); it should take seconds for a long prompt"))
struct FirstTokenTests {
  private static let systemWordCount = 170

  private func words(_ count: Int, _ seed: Int) -> String {
    (0..<count).map { " w\(($0 * 7919 + seed * 104_729) % 10)" }.joined()
  }

  /// - Parameter system: words of the system message; nil: none, as in a chat's later turns.
  private func request(system: Int?, user: Int, seed: Int, tokens: Int = 1) -> Request {
    var messages = [Message(.user, words(user, seed))]
    if let system { messages.insert(Message(.system, words(system, 1)), at: 0) }
    var request = Request(messages: messages)
    request.text.maximumTokens = tokens
    request.text.ignoresEndOfSequence = true
    return request
  }

  /// Seconds to where writing begins, for each token that is read. A chat reads the end of its answer after that.
  private func secondsPerToken(
    _ run: (_ events: (Event) -> Void) throws -> Response
  ) throws -> Double {
    let start = MonotonicClock.seconds()
    var end: Double?
    let usage = try run { event in
      if event.progress?.stage == .writing, end == nil { end = MonotonicClock.seconds() }
    }.usage
    // A chat's turn counts its own tokens, and those before them as kept.
    let isTurn = usage.cachedTokens >= usage.promptTokens
    let read = isTurn ? usage.promptTokens : usage.promptTokens - usage.cachedTokens
    return (try #require(end) - start) / Double(read)
  }

  /// A file costs besides what the system takes to give memory for it: little beside a long prompt.
  private static let wordsWithFile = 170

  @Test(arguments: [60, 170]) func timeIsThatOfTheTokensThatAreRead(wordCount: Int) throws {
    let path = try #require(FirstTokenModel.path)
    let folder = TemporaryDirectory()
    let file = folder.file("prompt.cache")
    let runtime = try Runtime()
    func open(_ cache: Model.PromptCache) throws -> Model {
      try runtime.open(path, options: .init(residency: .map, promptCache: cache))
    }
    func asked(_ user: Int, _ seed: Int) -> Request {
      request(system: Self.systemWordCount, user: user, seed: seed)
    }
    let (cold, warm) = (try open(.init(.nothing)), try open(.init(.systemTurn, path: file)))
    // Pages of both mappings are there from now on.
    _ = try cold.run(asked(4, 1))
    _ = try warm.run(asked(4, 1))
    let stored = try Fixtures.readFile(file)
    var ratios: [String: [Double]] = [:]
    for round in 0..<5 {
      let seed = 10 + round
      // The words of the template take the place of those that are left out here.
      let base = try secondsPerToken {
        try cold.run(request(system: 0, user: wordCount - 4, seed: seed), events: $0)
      }
      func measure(
        _ name: String, _ run: (_ events: (Event) -> Void) throws -> Response
      ) throws {
        ratios[name, default: []].append(try secondsPerToken(run) / base)
      }
      try measure("second request") {
        try warm.run(asked(wordCount, seed), events: $0)
      }
      let chat = try ChatSession(warm, contextTokens: 1500)
      _ = try chat.run(request(system: Self.systemWordCount, user: 4, seed: seed, tokens: 2))
      try measure("chat turn") {
        try chat.run(request(system: nil, user: wordCount, seed: seed), events: $0)
      }
      // Another request brings the pages of a third mapping, and its system message into the file, which then is as it
      // was.
      let opened = try open(.init(.systemTurn, path: file))
      _ = try opened.run(request(system: 2, user: 4, seed: seed))
      folder.write("prompt.cache", stored)
      try measure("opened with the file") {
        try opened.run(asked(wordCount, seed), events: $0)
      }
    }
    for (name, values) in ratios.sorted(by: { $0.key < $1.key }) {
      let median = values.sorted()[values.count / 2]
      print("\(wordCount) words, \(name): \(median) of a cold token's time, \(values.sorted())")
      if name == "opened with the file", wordCount < Self.wordsWithFile { continue }
      #expect((0.85...1.15).contains(median), "\(name)")
    }
  }
}

private enum FirstTokenModel {
  static let path = Fixtures.variable("VARLITE_FIRST_TOKEN")
}
