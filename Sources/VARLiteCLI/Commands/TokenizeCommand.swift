import ArgumentParser
import VARJSON
import VARLite
import VARSharedCLI
import VARTokenizer

struct TokenizeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tokenize", abstract: "Shows the token ids of a text, or the text of ids.",
    discussion: """
      --jsonl reads a JSON text per line and prints a JSON array of ids per line; with --decode \
      the other way round.
      """)

  @Argument(help: "The text; - or nothing reads standard input. With --decode: ids between blanks.")
  var text: String?

  @Option(
    help: ArgumentHelp("A tokenizer.json, instead of a model.", valueName: "file"),
    completion: .file(extensions: ["json"]))
  var tokenizer: String?

  @Flag(help: "Many texts: one JSON document per line.")
  var jsonl = false

  @Flag(help: "From ids to text.")
  var decode = false

  @Option(
    name: [.short, .long],
    help: ArgumentHelp("The model whose tokenizer is used.", valueName: "model.vq4"),
    completion: .file(extensions: ["vq4"]))
  var model: String?

  @Flag(help: "Nothing on standard error but faults.")
  var quiet = false

  func run() throws {
    let tokenizer = try openTokenizer()
    if jsonl { return try convertLines(tokenizer) }
    let input = try InputOptions.text(text ?? "-")
    if decode {
      let ids = try input.split(whereSeparator: \.isWhitespace)
        .map { try id(String($0)) }
      Console.output(written: tokenizer.decode(ids, skipSpecial: false) + "\n")
    } else {
      let ids = tokenizer.encode(input).map(String.init)
      Console.output(ids.joined(separator: " ") + "\n")
    }
  }

  private func convertLines(_ tokenizer: Tokenizer) throws {
    if let text, text != "-" {
      do {
        Console.output(try convert(text, tokenizer) + "\n")
      } catch {
        throw BadInput("the argument: \(error)")
      }
      return
    }
    var input = StandardInput()
    var number = 0
    while let line = try input.nextLine(), Console.outputFailure == nil {
      number += 1
      guard !line.isEmpty else { continue }
      do {
        Console.output(try convert(line, tokenizer) + "\n")
      } catch {
        throw BadInput("standard input: line \(number): \(error)")
      }
    }
  }

  private func openTokenizer() throws -> Tokenizer {
    if let tokenizer {
      let bytes = try FileInput.bytes(tokenizer)
      do throws(TokenizerError) {
        return try Tokenizer(tables: TokenizerSource(tokenizerJSON: bytes).makeTables())
      } catch {
        throw TokenizerError(error.code, in: tokenizer, at: error.place, error.detail)
      }
    }
    let choice = try DefaultModel.choice(option: model)
    if !quiet { choice.announce() }
    return try Runtime().open(choice.path).tokenizer
  }

  private func id(_ text: String) throws -> Int32 {
    guard let id = Int32(text), id >= 0 else { throw BadInput("\"\(text)\" is no token id") }
    return id
  }

  private func convert(_ line: String, _ tokenizer: Tokenizer) throws -> String {
    let value = try JSONValue(parsing: line)
    if decode {
      guard let items = value.arrayValue else {
        throw BadInput("--jsonl --decode reads an array of ids per line")
      }
      let ids = try items.map { try id($0.stringValue ?? $0.text) }
      return JSONValue.string(tokenizer.decode(ids, skipSpecial: false)).terminalText
    }
    guard let text = value.stringValue else {
      throw BadInput("--jsonl reads a JSON text per line")
    }
    return JSONValue.array(tokenizer.encode(text).map { .integer(Int($0)) }).text
  }
}
