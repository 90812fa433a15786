import Testing
import VARLite
import VARModels
import VARTestSupport
import VQ4Format

/// A system turn in a file is used where it is whole and of the same prompt, and is no matter otherwise.
@Suite struct PromptCacheFileTests {
  private static let sampling = TextSampling(maximumTokens: 8)

  private func open(
    _ path: String?, _ recipe: String = "f32", _ kvType: VARModels.KVType? = nil
  ) throws -> Model {
    try Runtime().open(
      TinyModel.path(recipe: recipe),
      options: .init(kvType: kvType, promptCache: .init(.systemTurn, path: path)))
  }

  private func ask(_ model: Model, system: String? = nil) throws -> Response {
    try model.understand(Prompt("Who are you?", system: system), sampling: Self.sampling)
  }

  /// A folder with the file of a first process.
  private func written() throws -> (folder: TemporaryDirectory, path: String, bytes: [UInt8]) {
    let folder = TemporaryDirectory()
    let path = folder.file("system.cache")
    #expect(try ask(open(path)).usage.cachedTokens == 0)
    return (folder, path, try Fixtures.readFile(path))
  }

  private func systemTokens(_ model: Model) -> Int {
    model.tokenizer.encode("<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n").count
  }

  @Test func theNextProcessReadsIt() throws {
    let (folder, path, bytes) = try written()
    let model = try open(path)
    let response = try ask(model)
    #expect(try response.tokens == ask(open(nil)).tokens)
    #expect(response.usage.cachedTokens == systemTokens(model))
    let drawing = DrawingRequest(cfgScale: 3, tau: 0.5, isGreedy: true)
    func draw(_ path: String?) throws -> Response {
      try open(path).draw(Prompt("Please paint a red circle."), options: drawing, .atOnce)
    }
    let (drawn, expected) = (try draw(path), try draw(nil))
    #expect(drawn.usage.cachedTokens > 0 && drawn.image == expected.image)
    #expect(try Fixtures.readFile(path) == bytes && folder.names() == ["system.cache"])
  }

  /// A byte of every part is another one, the file is cut, longer, empty, or all zeros: it is read as if it were not
  /// there, and written anew.
  @Test func damagedFilesAreReplaced() throws {
    let (folder, path, bytes) = try written()
    let expected = try ask(open(nil)).tokens
    var damaged = [0, 9, 30, 41, 50, 64, bytes.count / 2, bytes.count - 1].map { place in
      var changed = bytes
      changed[place] ^= 0x10
      return changed
    }
    damaged += [Array(bytes.dropLast()), bytes + [0], [], Array(bytes.prefix(30))]
    damaged.append([UInt8](repeating: 0, count: bytes.count))
    for changed in damaged {
      folder.write("system.cache", changed)
      let response = try ask(open(path))
      #expect(response.tokens == expected && response.usage.cachedTokens == 0)
      #expect(try Fixtures.readFile(path) == bytes)
    }
    #expect(folder.names() == ["system.cache"])
  }

  /// Another model, type or text is another prefix.
  @Test func filesOfOtherPromptsAreReplaced() throws {
    let (folder, path, bytes) = try written()
    for (recipe, type, system) in [
      ("balanced", nil, nil), ("f32", VARModels.KVType.f16, nil), ("f32", nil, "Be brief."),
    ] as [(String, VARModels.KVType?, String?)] {
      let response = try ask(open(path, recipe, type), system: system)
      #expect(try response.tokens == ask(open(nil, recipe, type), system: system).tokens)
      #expect(response.usage.cachedTokens == 0)
      #expect(try Fixtures.readFile(path) != bytes)
      #expect(try ask(open(path, recipe, type), system: system).usage.cachedTokens > 0)
    }
    #expect(folder.names() == ["system.cache"])
  }

  @Test func otherFilesAreLeftAlone() throws {
    let folder = TemporaryDirectory()
    let letter = Array("Dear reader, this is a letter.".utf8)
    folder.write("letter", letter)
    for path in [folder.file("letter"), folder.path, folder.file("none/cache"), "/dev/full"] {
      #expect(try !ask(open(path)).tokens.isEmpty)
    }
    #expect(try Fixtures.readFile(folder.file("letter")) == letter)
    #expect(folder.names() == ["letter"])
  }

  @Test func whatPassesTheBoundIsNotWritten() throws {
    let folder = TemporaryDirectory()
    let (path, bound) = (folder.file("system.cache"), 1000)
    let model = try Runtime().open(
      TinyModel.path(recipe: "f32"),
      options: .init(promptCache: .init(.systemTurn, maximumByteCount: bound, path: path)))
    #expect(try !ask(model).tokens.isEmpty)
    #expect(folder.names() == [] && model.keptPromptBytes == 0)
    let (_, _, bytes) = try written()
    #expect(bytes.count <= Model.PromptCache().maximumByteCount + 64)
  }

  /// Where this fails because a prompt's keys and values are other bits now, the version of the numerics in
  /// `KeptPrefix+File.swift` must be raised: files of before hold the old ones.
  @Test(arguments: [
    ("f32", "c652584d0a2512a062bd15f30814b877"),
    ("balanced", "5afca562b08a5f62a5467444a21fd404"),
  ])
  func theVersionStandsForTheBits(recipe: String, expected: String) throws {
    let folder = TemporaryDirectory()
    let path = folder.file("system.cache")
    _ = try ask(open(path, recipe))
    let bytes = try Fixtures.readFile(path)
    func word(_ place: Int) -> UInt64 {
      bytes[place..<place + 8].reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
    #expect("\(VQ4Hash(high: word(32), low: word(24)))" == expected)
  }
}
