import Testing
import VARTestSupport

/// Errors that people meet: what the programs say stands on the page of error texts, word by word.
@Suite struct TroubleshootingTests {
  /// The quotes of the page, in the parts between their `…`.
  private static let quotes = Result {
    let path = Fixtures.path("../../Sources/VARLite/VARLite.docc/Troubleshooting.md")
    return String(decoding: try Fixtures.readFile(path), as: UTF8.self).split(separator: "\n")
      .filter { $0.hasPrefix("| `") }
      .map { $0.split(separator: "`")[1].split(separator: "…", omittingEmptySubsequences: false) }
  }

  /// Whether a line begins with the first part, ends with the last one, and has the others between them in their order.
  private static func says(_ line: Substring, _ parts: [Substring]) -> Bool {
    guard let first = parts.first, let last = parts.last, parts.count > 1 else {
      return parts == [line]
    }
    guard line.hasPrefix(first), line.dropFirst(first.count).hasSuffix(last) else { return false }
    var rest = line.dropFirst(first.count).dropLast(last.count)
    for part in parts.dropFirst().dropLast() {
      guard let place = rest.firstRange(of: part) else { return false }
      rest = rest[place.upperBound...]
    }
    return true
  }

  private struct Case {
    let command: String
    /// Some words of the quote.
    let part: String

    init(_ command: String, says part: String) {
      self.command = command
      self.part = part
    }
  }

  /// In the folder that `files` makes; `$M` is the demo model, `$C` a checkpoint, `$P` a picture.
  private static let cases = [
    Case("varlite info $C", says: "is a checkpoint"),
    Case("varlite info x.gguf", says: "GGUF"),
    Case("varlite info empty", says: "give a .vq4 file"),
    Case("varlite info none.vq4", says: "check the path"),
    Case("varlite info text", says: "not a .vq4 file"),
    Case("varlite info nothing", says: "is empty"),
    Case("varlite info cut.vq4", says: "cut short"),
    Case("varlite info wrong.vq4", says: "checksum"),
    Case("varlite verify damaged.vq4", says: "the hash of"),
    Case("varlite check", says: "holds no canaries"),
    Case("varlite generate a -o a.png --ram 1M", says: "it fits with"),
    Case("varlite understand \"$(cat long)\"", says: "the model reads"),
    Case("varlite genrate a", says: "did you mean"),
    Case("varlite generate a -o a.png --steps 20", says: "Unknown option"),
    Case("varlite generate a", says: "--output"),
    Case("varlite edit a -o a.png", says: "needs --image"),
    Case("varlite understand - < x.gguf", says: "UTF-8"),
    Case("varlite understand a -i none.png", says: "check the path"),
    Case("varlite understand a -i text", says: "none of PNG"),
    Case("varlite understand a -i cut.png", says: "file is cut short"),
    Case("varlite understand a -i empty", says: "name a picture"),
    Case("varlite generate a -o none/a.png", says: "make its folder first"),
    Case("varlite generate a -o /dev/full --quiet", says: "make room"),
    Case("varlite generate a -o empty", says: "is a directory"),
    Case("varlite generate a -o a.webp", says: "pictures are written as"),
    Case("varlite repack $M -o text --layout map", says: "--force replaces it"),
    Case("varlite generate --resume-from text a -o a.png", says: "these bytes"),
    Case("varlite generate --resume-from none a -o a.png", says: "cannot be read"),
    Case("varlite generate a -o a.png --checkpoint text", says: "is there and is no"),
    Case("varlite generate --like $P -o a.png", says: "they have no hash"),
    Case("varlite generate --prompts list -o a.png", says: "JSON object"),
    Case("varlite understand a --prompt-cache text -n 1", says: "no prompt cache"),
    Case("varconvert none -o a.vq4", says: "cannot be found"),
    Case("varconvert empty -o a.vq4", says: "pytorch_model.bin"),
    Case("varconvert incomplete -o a.vq4", says: "fetch the checkpoint again"),
    Case("varconvert $C -o text", says: "overwriting"),
    Case("varconvert $C -o a.vq4 --ram 1M", says: "a budget of"),
    Case("varconvert $C -o a.vq4 --recipe none", says: "built in are"),
    Case("varconvert $C -o a.vq4 --recipe keys.json", says: "is not known; known are"),
    Case("varconvert $C -o a.vq4 --lora empty", says: "PEFT"),
    Case("varconvert $C -o a.vq4 --vae text.pth", says: "torch.save"),
  ]

  private static let demo = Fixtures.path("../../Sources/CVARDemoModel/Resources/shapes.vq4")
  private static let picture = Fixtures.path(
    "../../Sources/VARLite/VARLite.docc/Resources/asked.png")

  /// The files of all cases.
  private func files() throws -> TemporaryDirectory {
    let folder = TemporaryDirectory()
    for name in ["text", "text.pth"] { folder.write(name, "hello\n") }
    folder.write("nothing", "")
    folder.write("long", String(repeating: "a", count: 60_000))
    folder.write("keys.json", "{\"a\": 1}")
    folder.write("list", "a\n{\"promt\": \"b\"}\n")
    folder.write("x.gguf", Array("GGUF".utf8) + [UInt8](repeating: 0xFF, count: 20))
    for name in ["empty", "incomplete"] { folder.makeDirectory(name) }
    folder.write(
      "incomplete/model.safetensors.index.json", "{\"weight_map\": {\"a\": \"b.safetensors\"}}")
    let model = try Fixtures.readFile(Self.demo)
    folder.write("cut.vq4", Array(model.dropLast(1)))
    for (name, place) in [("wrong.vq4", 100), ("damaged.vq4", model.count / 2)] {
      var bytes = model
      bytes[place] ^= 0xFF
      folder.write(name, bytes)
    }
    folder.write("cut.png", Array(try Fixtures.readFile(Self.picture).prefix(800)))
    return folder
  }

  @Test func whatIsSaidStandsOnThePage() throws {
    let programs = try ProgramRunner.built("varlite").path.dropLast("/varlite".count)
    var shell = ProgramRunner(path: "/bin/sh")
    shell.environment = [
      "PATH=\(programs):/usr/bin:/bin", "M=\(Self.demo)", "P=\(Self.picture)",
      "C=\(Fixtures.path("tiny"))", "VARLITE_MODEL=\(Self.demo)",
    ]
    let folder = try files()
    let quotes = try Self.quotes.get()
    for test in Self.cases {
      let result = try shell.run(["-c", "cd \"$0\"; \(test.command)", folder.path])
      let lines = result.errorText.split(separator: "\n").map { line in
        ["varlite: ", "varconvert: ", "Error: "].reduce(line) {
          $0.hasPrefix($1) ? $0.dropFirst($1.count) : $0
        }
      }
      let meant = quotes.filter { $0.joined(separator: "…").contains(test.part) }
      #expect(
        lines.contains { line in meant.contains { Self.says(line, $0) } },
        "\(test.command): \(result.errorText)")
    }
  }
}
