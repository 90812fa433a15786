import Testing
import VARLite
import VARTestSupport
import VQ4Format

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A file that is overwritten in place, as `cp other model.vq4` does it, changes under the model that maps it.
@Suite struct OverwrittenFileTests {
  private let folder = TemporaryDirectory()
  private var path: String { folder.path + "/model.vq4" }

  private func model(_ residency: Residency) throws -> Model {
    try write(Fixtures.readFile(TinyModel.path(recipe: "int4")))
    return try Model(path: path, options: RunOptions(residency: residency))
  }

  /// Writes into the file itself.
  private func write(_ bytes: [UInt8], at offset: Int = 0) throws {
    let file = open(path, O_WRONLY | O_CREAT, 0o644)
    try #require(file >= 0)
    let count = bytes.withUnsafeBytes { pwrite(file, $0.baseAddress, $0.count, off_t(offset)) }
    try #require(count == bytes.count && close(file) == 0)
  }

  private static let prompt = Prompt("What is it?")

  private static func answer(_ model: Model) throws -> [Int32] {
    try model.understand(prompt, sampling: .endless(maximumTokens: 3)).tokens
  }

  @Test(arguments: [Residency.map, .load, .stream])
  func theNextRequestIsRefused(residency: Residency) throws {
    let model = try model(residency)
    _ = try Self.answer(model)
    try write(Fixtures.readFile(TinyModel.path(recipe: "int8")))
    #expect {
      _ = try Self.answer(model)
    } throws: {
      let error = $0 as? VARLiteError
      return error?.category == .model && "\($0)".contains("\(path): the file was overwritten")
    }
    #expect(throws: VARLiteError.self) { try model.reconstruct(TinyModel.picture("scene_0")) }
    // Opened again, it is the other model.
    #expect(try Self.answer(Model(path: path)).count == 3)
  }

  /// Bytes change while a request runs: what it made of them is not given out as an answer.
  @Test func aRequestThatRanMeanwhileFails() throws {
    let model = try model(.map)
    let bytes = try Fixtures.readFile(path)
    var isWritten = false
    #expect(throws: VARLiteError.self) {
      try model.understand(Self.prompt, sampling: .endless(maximumTokens: 3)) { event in
        guard event.text != nil, !isWritten else { return }
        isWritten = true
        do { try write(bytes) } catch { Issue.record(error) }
      }
    }
    #expect(isWritten)
  }

  /// A rename puts another file under the name; the one that is open stays as it is.
  @Test func aRenamedFileIsHarmless() throws {
    let model = try model(.map)
    let before = try Self.answer(model)
    let other = folder.path + "/other.vq4"
    folder.write("other.vq4", try Fixtures.readFile(TinyModel.path(recipe: "int8")))
    try #require(rename(other, path) == 0)
    #expect(try Self.answer(model) == before)
  }

  /// The tokenizer's numbers are places in its tables: none of them is read from the file again.
  @Test(arguments: [0x00, 0x7F, 0xFF] as [UInt8])
  func theTokenizerGoesOn(byte: UInt8) throws {
    let model = try model(.map)
    let text = "The quick brown fox 123 <|im_end|>"
    let before = model.tokenizer.encode(text)
    let size = try Fixtures.readFile(path).count
    try write([UInt8](repeating: byte, count: size))
    #expect(model.tokenizer.encode(text) == before)
    #expect(model.tokenizer.decode(before) == text)
  }
}
