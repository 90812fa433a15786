import ArgumentParser
import VARJSON
import VARLite
import VARSharedCLI

/// A line of a list of prompts: the prompt itself, or a JSON object of it and of settings that are other than those of
/// the command line.
struct PromptLine {
  /// Its place in the file, from 1 on, and among the prompts, from 0 on.
  let number, index: Int
  let prompt: String
  let image: ImageOptions

  /// - Parameter image: the settings of the command line.
  private init(_ line: PromptList.Line, _ image: ImageOptions) throws {
    (number, index, prompt) = (line.number, line.index, line.prompt)
    var options = image
    for setting in line.settings {
      let key = setting.key
      guard let set = Self.settings[key] else {
        let names = (["prompt"] + Self.settings.keys.sorted()).joined(separator: ", ")
        throw BadInput("\"\(key)\" is no setting of a picture; there are \(names)")
      }
      guard set(&options, setting.value) else {
        throw BadInput("\"\(key)\" has a value of another kind")
      }
    }
    do {
      try options.shape.guidance.validate()
      try options.shape.validate()
      try options.validate()
    } catch { throw BadInput("\(error)") }
    self.image = options
  }

  // MARK: Settings

  /// Sets an option; false where the value is of another kind.
  private typealias Setter = @Sendable (inout ImageOptions, JSONValue) -> Bool

  private static let settings: [String: Setter] = [
    "seed": { options, value in
      guard let seed = value.integerValue.map(String.init) ?? value.stringValue,
        let number = UInt64(seed)
      else { return false }
      options.seedOption.seed = Seed(number)
      return true
    },
    "cfg_scale": { set(&$0.shape.guidance.cfgScale, $1.doubleValue) },
    "fast": {
      let level = $1.integerValue.flatMap { DrawingRequest.FastLevel(rawValue: $0) }
      return set(&$0.shape.guidance.fast, level)
    },
    "guided_scales": { set(&$0.shape.guidance.guidedScales, $1.integerValue) },
    "dense_scales": { set(&$0.shape.guidance.denseScales, $1.integerValue) },
    "size": { set(&$0.shape.size, $1.integerValue) },
    "pn": { set(&$0.shape.pn, $1.stringValue) },
    "aspect": { set(&$0.shape.aspect, $1.stringValue) },
    "tau": { set(&$0.tau, $1.doubleValue) },
    "top_p": { set(&$0.topP, $1.doubleValue) },
    "greedy": { set(&$0.greedy, $1.boolValue) },
    "force_image": { set(&$0.shape.forceImage, $1.boolValue) },
  ]

  private static func set<Value>(_ option: inout Value?, _ value: Value?) -> Bool {
    guard let value else { return false }
    option = value
    return true
  }

  private static func set<Value>(_ option: inout Value, _ value: Value?) -> Bool {
    guard let value else { return false }
    option = value
    return true
  }
}

extension PromptLine {
  /// The prompts of a text, a line each; lines without words do not count.
  ///
  /// - Parameter name: of the file, for errors.
  static func read(_ text: String, name: String, _ image: ImageOptions) throws -> [PromptLine] {
    let list: PromptList
    do throws(PromptList.Fault) { list = try PromptList(parsing: text) } catch {
      throw BadInput(error.number == nil ? "\(name): \(error)" : "\(name), \(error)")
    }
    return try list.lines.map { line in
      do { return try PromptLine(line, image) } catch {
        throw BadInput("\(name), line \(line.number): \(error)")
      }
    }
  }
}
