import VARJSON
import VARLite

/// Tells what became of the pictures of a list: a line each, or one JSON object in the end.
struct ListReport {
  private let options: ModelOptions
  private var pictures: [JSONValue] = []
  private var drawnCount = 0, skippedCount = 0
  private(set) var failedCount = 0

  init(options: ModelOptions) { self.options = options }

  private func say(_ line: String) {
    if !options.quiet, !options.json { Console.error(line) }
  }

  /// - Parameter text: which picture it is.
  func begins(_ text: String) { say(text) }

  mutating func drawn(_ picture: DrawnPicture) {
    drawnCount += 1
    pictures.append(.object(picture.json))
    say(picture.line)
  }

  mutating func skipped(_ path: String) {
    skippedCount += 1
    pictures.append(.object(JSONObject([("output", .string(path)), ("skipped", .bool(true))])))
    say("\(path): is drawn already")
  }

  /// - Parameter place: where the picture is asked for.
  mutating func failed(_ path: String, _ place: String?, _ error: any Error) {
    failedCount += 1
    let text = (place.map { "\($0): " } ?? "") + Failure.text(error)
    pictures.append(.object(JSONObject([("output", .string(path)), ("error", .string(text))])))
    Console.error("varlite: \(text)")
  }

  func end() {
    guard options.json else {
      return say("\(drawnCount) drawn, \(skippedCount) there already, \(failedCount) failed")
    }
    let object = JSONObject([
      ("pictures", .array(pictures)), ("drawn", .integer(drawnCount)),
      ("skipped", .integer(skippedCount)), ("failed", .integer(failedCount)),
    ])
    Console.output(.object(object))
  }
}
