import Testing
import VARTestSupport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// What shells and `man` get: scripts that complete, and pages.
@Suite struct ShellTests {
  static let programs = ["varlite", "varconvert", "varbench"]

  private func script(_ program: String, _ shell: String) throws -> String {
    let result = try ProgramRunner.built(program).run(["--generate-completion-script", shell])
    expectDone(result)
    return result.text
  }

  /// Runs bash in a folder with a picture, a model and a checkpoint's folder, and completes the last word.
  private func completions(_ program: String, _ words: [String]) throws -> [String] {
    let folder = TemporaryDirectory()
    for name in ["cat.png", "dog.jpeg", "model.vq4", "notes.txt", "tokenizer.json"] {
      folder.write(name, "")
    }
    folder.makeDirectory("checkpoint")
    folder.write("script", try script(program, "bash"))
    let line = """
      cd "$0" && . ./script && COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_TYPE=9
      COMP_LINE="$*" COMP_POINT=${#COMP_LINE}
      function compopt { :; }
      _\(program) "$1" "${@: -1}" "${@: -2:1}" 2>/dev/null
      printf '%s\\n' "${COMPREPLY[@]}"
      """
    let result = try ProgramRunner(path: "/bin/bash").run(["-c", line, folder.path] + words)
    return result.text.split(separator: "\n").map { String($0.split(separator: " ")[0]) }.sorted()
  }

  @Test(arguments: [
    ("varlite", ["generate", "a", "-m", ""], "model.vq4"),
    ("varlite", ["info", ""], "model.vq4"),
    ("varlite", ["understand", "a", "--image", ""], "cat.png"),
    ("varlite", ["edit", "a", "-i", "d"], "dog.jpeg"),
    ("varlite", ["chat", "--output-folder", ""], "checkpoint"),
    ("varlite", ["tokenize", "--tokenizer", ""], "tokenizer.json"),
    ("varconvert", ["plan", ""], "checkpoint"),
    ("varconvert", ["check", "checkpoint", ""], "model.vq4"),
    ("varbench", ["load", "--model", ""], "model.vq4"),
  ])
  func bashCompletesNamesOfFiles(program: String, words: [String], name: String) throws {
    let names = try completions(program, [program] + words)
    #expect(names.contains { $0.hasPrefix(name) }, "\(names)")
    if !name.hasPrefix("checkpoint") { #expect(!names.contains("notes.txt"), "\(names)") }
  }

  @Test(arguments: programs) func zshAndFishCompleteNamesOfFiles(program: String) throws {
    let zsh = try script(program, "zsh")
    #expect(zsh.hasPrefix("#compdef \(program)"))
    #expect(zsh.contains("_files -g '\\''*.vq4'\\''"))
    let fish = try script(program, "fish")
    #expect(fish.contains("complete -c '\(program)'"))
    #expect(fish.contains("vq4"))
  }

  @Test func everyProgramAndCommandHasAPage() throws {
    guard access("/usr/bin/python3", X_OK) == 0 else { return }
    let folder = TemporaryDirectory()
    let programs = try ProgramRunner.built("varlite").path.split(separator: "/").dropLast()
      .map { "/" + $0 }.joined()
    let result = try ProgramRunner(path: Fixtures.path("../../.ci/man")).run([
      programs, folder.path,
    ])
    expectDone(result)
    let names = folder.names()
    for name in ["varlite", "varlite-generate", "varlite-chat", "varconvert-plan", "varbench-load"]
    {
      #expect(names.contains("\(name).1"), "\(names)")
    }
    for name in names {
      let page = String(decoding: try Fixtures.readFile(folder.file(name)), as: UTF8.self)
      #expect(page.hasPrefix(".TH ") && page.contains(".SH SYNOPSIS"), "\(name)")
      // A line of text that starts with a dot or a quote would be a command to roff.
      let commands = Set(["TH", "SH", "TP", "B", "PP", "RE", "RS", "nf", "fi", "BR"])
      for line in page.split(separator: "\n") where line.hasPrefix(".") || line.hasPrefix("'") {
        let command = line.dropFirst().prefix { $0 != " " }
        #expect(commands.contains(String(command)), "\(name): \(line)")
      }
    }
    let page = String(
      decoding: try Fixtures.readFile(folder.file("varlite-generate.1")), as: UTF8.self)
    for part in ["\\-\\-seed", "\\-\\-let\\-model\\-decide", "out.png", "Draws a picture"] {
      #expect(page.contains(part), "\(part)")
    }
  }
}
