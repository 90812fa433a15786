import Testing
import VARLite
import VARTestSupport

/// Texts that end before what they must not hold.
@Suite struct StopStringTests {
  private static let words = "I am a very small test model, and I can paint."

  private func run(_ stopStrings: [String], _ model: Model) throws -> Response {
    var request = Request("Who are you?", sampling: TextSampling(maximumTokens: 24))
    request.text.stopStrings = stopStrings
    var told = ""
    let response = try model.run(request) { told += $0.text ?? "" }
    #expect(told == response.text)
    return response
  }

  /// What stands before the string that is whole first.
  private func expected(_ stopStrings: [String]) -> String {
    let words = Array(Self.words.utf8)
    for end in 1...words.count {
      let ended = stopStrings.filter { words[..<end].suffix($0.utf8.count).elementsEqual($0.utf8) }
      guard let longest = ended.map(\.utf8.count).max() else { continue }
      return String(decoding: words[..<(end - longest)], as: UTF8.self)
    }
    return Self.words
  }

  @Test func everyStretchOfTheTextEndsIt() throws {
    let model = try TinyModel.f32()
    let words = Array(Self.words)
    for start in words.indices {
      let count = 1 + start % 9
      let string = String(words[start..<min(start + count, words.count)])
      let response = try run([string], model)
      #expect(response.text == expected([string]), "\(string)")
      #expect(response.end == .stopString)
    }
  }

  @Test(arguments: [
    ["small", "very"], ["very small test", "all"], ["I am a very smell", "a"], ["paint.", "."],
    ["paint. And more"], ["paint.", "paint. And more"], ["I"], ["I am"], [Words.whole],
    [Words.whole + "!"], ["xyz", "zyx"], ["mm", "odel, and I can paint"], ["test model", "test"],
    ["st mod", "test model,"],
  ])
  func severalStrings(stopStrings: [String]) throws {
    let response = try run(stopStrings, TinyModel.f32())
    let text = expected(stopStrings)
    #expect(response.text == text)
    #expect(response.end == (text == Self.words ? .finished : .stopString))
  }

  private enum Words { static let whole = StopStringTests.words }

  @Test func anEmptyStringIsRefused() throws {
    var request = Request("Who are you?")
    request.text.stopStrings = ["a", ""]
    let error = try #require(throws: VARLiteError.self) { try TinyModel.f32().run(request) }
    #expect(error.category == .request)
  }

  /// A picture follows the words that were cut, and a session goes on behind them.
  @Test func whatFollowsTheWordsStays() throws {
    let model = try TinyModel.f32()
    var request = Request(
      "Who are you?", drawing: DrawingRequest(cfgScale: 1, isGreedy: true))
    request.text.stopStrings = ["test"]
    let drawn = try model.run(request)
    #expect(drawn.text == "I am a very small " && drawn.end == .drawn)
    let session = try ChatSession(model)
    request.drawing = nil
    #expect(try session.run(request).text == drawn.text)
    #expect(try session.run(Request("And then?")).end != .stopString)
  }
}
