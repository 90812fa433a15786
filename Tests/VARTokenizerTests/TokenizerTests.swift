import Testing
import VARJSON
import VARTestSupport
import VARTokenizer

@Suite struct TokenizerTests {
  @Test func addedTokensAreRecognizedOrPlainText() throws {
    let tokenizer = try TestTokenizers.tiny.get().tokenizer
    let end = try #require(tokenizer.tokenID(of: "<|im_end|>"))
    #expect(end == 770)
    #expect(tokenizer.tokenID(of: "<|im_end|") == nil)
    #expect(tokenizer.tokenID(of: "a") == nil)
    #expect(tokenizer.encode("<|im_end|>") == [end])
    let plain = tokenizer.encode("<|im_end|>", addedTokens: .plainText)
    #expect(plain.count > 1 && !plain.contains(end))
    #expect(tokenizer.decode(plain) == "<|im_end|>")
    #expect(tokenizer.isSpecial(end) && !tokenizer.isSpecial(64) && !tokenizer.isSpecial(-1))
    #expect(!tokenizer.isSpecial(.max))
  }

  @Test func idsWithoutTokenGiveNoText() throws {
    let tokenizer = try TestTokenizers.tiny.get().tokenizer
    #expect(tokenizer.vocabularySize == 785)
    #expect(tokenizer.decode([-1, 64, 785, .max, .min, 65]) == "ab")
    var decoder = StreamingDecoder(tokenizer)
    #expect(decoder.append(785) == "" && decoder.append(64) == "a" && decoder.finish() == "")
  }

  @Test func streamLeavesSpecialTokensOut() throws {
    let tokenizer = try TestTokenizers.tiny.get().tokenizer
    var decoder = StreamingDecoder(tokenizer, skipSpecial: true)
    let ids = tokenizer.encode("<|im_start|>user<|im_end|>")
    #expect(ids.map { decoder.append($0) }.joined() + decoder.finish() == "user")
  }

  /// Short pieces and long ones take different ways; both must equal the plain rule.
  @Test func everyPieceLengthMergesByThePlainRule() throws {
    let tokenizer = try TestTokenizers.shapes.get().tokenizer
    let document = try JSONValue.fixture("tokenizers/shapes/tokenizer.json")
    let reference = try PlainMerger(document)
    var random = SplitMix64(seed: 5)
    let alphabet = Array("aeinrstlcdo")
    for length in Array(1...40) + Array(85...110) + [300, 1000] {
      let piece = String((0..<length).map { _ in alphabet.randomElement(using: &random)! })
      #expect(tokenizer.encode(piece) == reference.encode(piece), "\(piece)")
    }
  }

  @Test(arguments: ["a", " ", "=-", "\u{4F60}"])
  func aMegabyteOfOneClassTakesLittleTime(unit: String) throws {
    let tokenizer = try TestTokenizers.qwen2.get().tokenizer
    let text = String(repeating: unit, count: 1_000_000 / unit.utf8.count)
    let started = ContinuousClock.now
    let ids = tokenizer.encode(text)
    #expect(ContinuousClock.now - started < .seconds(20))
    #expect(sameBytes(tokenizer.decode(ids), text))
  }

  @Test func imagePadsMustMatchTheImages() throws {
    let ids: [Int32] = [1, 9, 2, 9]
    #expect(
      try ChatTemplate.expandImagePads(in: ids, padID: 9, counts: [2, 0]) == [1, 9, 9, 2])
    #expect {
      try ChatTemplate.expandImagePads(in: ids, padID: 9, counts: [2])
    } throws: {
      ($0 as? TokenizerError)?.code == .imageCountMismatch
        && "\($0)"
          == "conversation: 2 image placeholders for 1 images; name each image once and leave "
          + "<|image_pad|> out of the text"
    }
  }

  @Test func emptyConversationAndOptionsRender() {
    #expect(ChatTemplate.render([], addGenerationPrompt: false) == "")
    #expect(
      ChatTemplate.render([ChatMessage(.system, "x")], addGenerationPrompt: false)
        == "<|im_start|>system\nx<|im_end|>\n")
  }
}

/// The rule itself: join the leftmost pair of the lowest rank until none is left.
private struct PlainMerger {
  private var ranks: [[String]: Int] = [:]
  private var ids: [String: Int32] = [:]

  init(_ document: JSONValue) throws {
    let merges = try #require(document["model"]?["merges"]?.arrayValue)
    for (rank, merge) in merges.enumerated() {
      ranks[try #require(merge.arrayValue).compactMap(\.stringValue)] = rank
    }
    for (text, id) in try #require(document["model"]?["vocab"]?.objectValue).members {
      ids[text] = Int32(try #require(id.integerValue))
    }
  }

  /// - Parameter piece: ASCII letters, which stand for themselves in vocabularies.
  func encode(_ piece: String) -> [Int32] {
    var parts = piece.map(String.init)
    while true {
      let pairs = parts.indices.dropLast().compactMap { index in
        ranks[[parts[index], parts[index + 1]]].map { (rank: $0, index: index) }
      }
      guard let best = pairs.min(by: { ($0.rank, $0.index) < ($1.rank, $1.index) }) else { break }
      parts[best.index] += parts.remove(at: best.index + 1)
    }
    return parts.map { ids[$0]! }
  }
}
