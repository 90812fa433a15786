import Testing
import VARJSON
import VARTestSupport
import VARTokenizer

@Suite struct GoldenTests {
  @Test(arguments: ["cases", "edge_cases"])
  func realVocabularyEncodesExactly(file: String) throws {
    let tokenizer = try TestTokenizers.qwen2.get().tokenizer
    #expect(tokenizer.vocabularySize == 151_660)
    let cases = try EncodeCase.read(JSONValue.fixture("tokenizers/qwen2/\(file).json"))
    #expect(cases.count >= 150)
    for entry in cases {
      #expect(tokenizer.encode(entry.text) == entry.ids, "\(entry.text.debugDescription)")
    }
  }

  @Test func tinyVocabularyEncodesAndDecodesExactly() throws {
    let tokenizer = try TestTokenizers.tiny.get().tokenizer
    let golden = try JSONValue.fixture("golden/tokenizer_cases.json")
    let values = try #require(golden["encode"]?.arrayValue)
    #expect(values.count == 27)
    for value in values {
      let text = try #require(value["text"]?.stringValue)
      let ids = try value.ids("ids")
      #expect(tokenizer.encode(text) == ids, "\(text.debugDescription)")
      let decoded = try #require(value["decoded"]?.stringValue)
      #expect(sameBytes(tokenizer.decode(ids), decoded), "\(text.debugDescription)")
      let skipped = try #require(value["decoded_skip_special"]?.stringValue)
      #expect(sameBytes(tokenizer.decode(ids, skipSpecial: true), skipped))
    }
  }

  @Test(arguments: ["golden/tokenizer_cases.json", "tokenizers/invalid_utf8.json"])
  func partsOfCharactersDecodeAsReplaced(file: String) throws {
    let tokenizer = try TestTokenizers.tiny.get().tokenizer
    let document = try JSONValue.fixture(file)
    let values = try #require(document.arrayValue ?? document["decode_partial"]?.arrayValue)
    #expect(values.count >= 13)
    for value in values {
      let ids = try value.ids("ids")
      let decoded = try #require(value["decoded"]?.stringValue)
      #expect(sameBytes(tokenizer.decode(ids), decoded), "\(ids)")
      var decoder = StreamingDecoder(tokenizer)
      let streamed = ids.map { decoder.append($0) }.joined() + decoder.finish()
      #expect(sameBytes(streamed, decoded), "\(ids)")
    }
  }

  @Test func streamNeverEmitsHalfACharacter() throws {
    let tokenizer = try TestTokenizers.tiny.get().tokenizer
    let text = "é😀 你好👨‍👩‍👧 done"
    var decoder = StreamingDecoder(tokenizer)
    var streamed = ""
    for id in tokenizer.encode(text) {
      let part = decoder.append(id)
      #expect(!part.unicodeScalars.contains("\u{FFFD}"))
      streamed += part
      #expect(text.utf8.starts(with: streamed.utf8))
    }
    #expect(decoder.finish().isEmpty)
    #expect(sameBytes(streamed, text))
  }

  @Test func chatRendersAndExpandsExactly() throws {
    let tokenizer = try TestTokenizers.tiny.get().tokenizer
    let golden = try JSONValue.fixture("golden/tokenizer_cases.json")
    let values = try #require(golden["chat"]?.arrayValue)
    #expect(values.count == 4)
    let pad = try #require(tokenizer.tokenID(of: "<|image_pad|>"))
    for value in values {
      let messages = try #require(value["messages"]?.arrayValue).map(message)
      let addVisionID = value["options"]?["add_vision_id"]?.boolValue ?? false
      let text = ChatTemplate.render(messages, addVisionID: addVisionID)
      #expect(text == value["rendered"]?.stringValue)
      let grids = value["image_grid_thw"]?.arrayValue ?? []
      let counts = grids.map { grid in
        (grid.arrayValue ?? []).compactMap(\.integerValue).reduce(1, *) / 4
      }
      let ids = try ChatTemplate.expandImagePads(
        in: tokenizer.encode(text), padID: pad, counts: counts)
      #expect(try ids == value.ids("input_ids"))
    }
  }

  private func message(_ value: JSONValue) throws -> ChatMessage {
    let role = try #require(ChatMessage.Role(rawValue: value["role"]?.stringValue ?? ""))
    if let text = value["content"]?.stringValue { return ChatMessage(role, text) }
    let parts = try #require(value["content"]?.arrayValue)
    return ChatMessage(
      role,
      parts.map { part in part["text"]?.stringValue.map { .text($0) } ?? .image })
  }
}
