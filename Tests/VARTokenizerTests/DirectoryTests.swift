import Testing
import VARTestSupport
import VARTokenizer

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

@Suite struct DirectoryTests {
  private func copy(_ names: [String], to folder: TemporaryDirectory) throws {
    for name in names { try write(Fixtures.bytes("tiny/\(name)"), "\(folder.path)/\(name)") }
  }

  private func write(_ bytes: [UInt8], _ path: String) throws {
    let file = try #require(fopen(path, "wb"))
    defer { fclose(file) }
    #expect(fwrite(bytes, 1, bytes.count, file) == bytes.count)
  }

  private func code(_ path: String) -> TokenizerError.Code? {
    do throws(TokenizerError) {
      _ = try TokenizerSource(directory: path)
      return nil
    } catch {
      return error.code
    }
  }

  @Test(arguments: [
    ["tokenizer.json"], ["vocab.json", "merges.txt", "tokenizer_config.json"],
    ["vocab.json", "merges.txt", "added_tokens.json"],
    ["tokenizer.json", "vocab.json", "merges.txt", "tokenizer_config.json", "added_tokens.json"],
  ])
  func everySetOfFilesGivesTheSameTables(names: [String]) throws {
    let folder = TemporaryDirectory()
    try copy(names, to: folder)
    let tables = try TokenizerSource(directory: folder.path).makeTables()
    #expect(try tables == TestTokenizers.tiny.get().tables)
  }

  @Test func missingAndStrangeFilesAreRefused() throws {
    let folder = TemporaryDirectory()
    #expect(code(folder.path) == .unreadableFile)
    #expect(code("\(folder.path)/absent") == .unreadableFile)
    try copy(["vocab.json"], to: folder)
    #expect(code(folder.path) == .unreadableFile)
    try write(Array("#version: 0.2\na zzzz\n".utf8), "\(folder.path)/merges.txt")
    #expect(code(folder.path) == .invalidMerge)
    try write([0xFF, 0x20, 0x61], "\(folder.path)/merges.txt")
    #expect(code(folder.path) == .invalidEntry)
    #expect(mkfifo("\(folder.path)/tokenizer.json", 0o600) == 0)
    #expect(code(folder.path) == .unreadableFile)
    #expect(unlink("\(folder.path)/tokenizer.json") == 0)
    #expect(mkdir("\(folder.path)/tokenizer.json", 0o700) == 0)
    #expect(code(folder.path) == .unreadableFile)
  }

  @Test func contradictingTokenFilesAreRefused() throws {
    let folder = TemporaryDirectory()
    try copy(["tokenizer.json"], to: folder)
    try write(Array(#"{"<|im_end|>": 900}"#.utf8), "\(folder.path)/added_tokens.json")
    #expect(code(folder.path) == .duplicateID)
    try write(Array(#"{"<|extra|>": 900}"#.utf8), "\(folder.path)/added_tokens.json")
    let source = try TokenizerSource(directory: folder.path)
    let tokenizer = try Tokenizer(tables: source.makeTables())
    #expect(tokenizer.vocabularySize == 901)
    #expect(tokenizer.encode("a<|extra|>") == [64, 900])
    #expect(tokenizer.decode([850]) == "")
  }
}
