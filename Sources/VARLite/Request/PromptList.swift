import VARJSON

/// The lines of a list of prompts: each is a prompt, or a JSON object of it and of settings of its own.
package struct PromptList: Sendable, Equatable {
  package struct Line: Sendable, Equatable {
    /// Its place in the text, from 1 on, and among the prompts, from 0 on.
    package let number, index: Int
    package let prompt: String
    /// Settings that are other than those of the other lines, in their order.
    package let settings: [Setting]
  }

  package struct Setting: Sendable, Equatable {
    package let key: String
    package let value: JSONValue
  }

  /// What is wrong with a list.
  package struct Fault: Error, Equatable, CustomStringConvertible {
    /// The line, from 1 on; nil where it is the whole list.
    package let number: Int?
    package let detail: String
    package var description: String { number.map { "line \($0): \(detail)" } ?? detail }
  }

  package let lines: [Line]

  /// Lines without words do not count.
  package init(parsing text: String) throws(Fault) {
    var lines: [Line] = []
    let texts = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
    for (index, text) in texts.enumerated() {
      let text = String(text).trimmed
      guard !text.isEmpty else { continue }
      lines.append(try Self.line(text, number: index + 1, index: lines.count))
    }
    guard !lines.isEmpty else {
      throw Fault(number: nil, detail: "holds no prompt; write one a line")
    }
    self.lines = lines
  }

  private static func line(_ text: String, number: Int, index: Int) throws(Fault) -> Line {
    guard text.first == "{" else {
      return Line(number: number, index: index, prompt: text, settings: [])
    }
    let value: JSONValue
    do throws(JSONError) { value = try JSONValue(parsing: text) } catch {
      throw Fault(number: number, detail: "\(error)")
    }
    guard let object = value.objectValue, let prompt = object["prompt"]?.stringValue else {
      throw Fault(
        number: number,
        detail: "has no \"prompt\"; a line that begins with { is a JSON object")
    }
    let settings = object.members.filter { $0.key != "prompt" }
      .map { Setting(key: $0.key, value: $0.value) }
    return Line(number: number, index: index, prompt: prompt, settings: settings)
  }
}
