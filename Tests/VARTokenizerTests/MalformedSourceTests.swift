import Testing
import VARJSON
import VARTestSupport
import VARTokenizer

@Suite struct MalformedSourceTests {
  private typealias Code = TokenizerError.Code

  /// `tokenizer.json` of the tiny checkpoint with one member changed.
  private func tokenizerJSON(
    _ path: [String], _ change: (JSONValue?) throws -> JSONValue?
  ) throws -> [UInt8] {
    func changed(_ value: JSONValue, _ path: ArraySlice<String>) throws -> JSONValue {
      var object = try #require(value.objectValue)
      let key = try #require(path.first)
      if path.count == 1 {
        object[key] = try change(object[key])
      } else {
        object[key] = try changed(try #require(object[key]), path.dropFirst())
      }
      return .object(object)
    }
    return Array(try changed(JSONValue.fixture("tiny/tokenizer.json"), path[...]).text.utf8)
  }

  private func expect(
    _ code: TokenizerError.Code, _ path: [String],
    sourceLocation: SourceLocation = #_sourceLocation,
    _ change: (JSONValue?) throws -> JSONValue?
  ) throws {
    let bytes = try tokenizerJSON(path, change)
    #expect(sourceLocation: sourceLocation) {
      _ = try TokenizerSource(tokenizerJSON: bytes)
    } throws: {
      ($0 as? TokenizerError)?.code == code
    }
  }

  private func appending(_ extra: JSONValue) -> (JSONValue?) throws -> JSONValue? {
    { .array(try #require($0?.arrayValue) + [extra]) }
  }

  private func setting(_ key: String, _ value: JSONValue?) -> (JSONValue?) throws -> JSONValue? {
    {
      var object = try #require($0?.objectValue)
      object[key] = value
      return .object(object)
    }
  }

  @Test func mergesAreChecked() throws {
    let merges = ["model", "merges"]
    try expect(.duplicateMerge, merges, appending(.array([.string("Ġ"), .string("a")])))
    try expect(.duplicateMerge, merges, appending(.string("Ġ a")))
    try expect(.invalidMerge, merges, appending(.string("a zzzz")))
    try expect(.invalidMerge, merges, appending(.string("q q")))
    try expect(.invalidMerge, merges, appending(.string(" a")))
    try expect(.invalidMerge, merges, appending(.string("a")))
    try expect(.invalidMerge, merges, appending(.string("a b c")))
    try expect(.invalidMerge, merges, appending(.array([.string(""), .string("a")])))
    try expect(.invalidMerge, merges, appending(.array([.string("a"), .string(" ")])))
    try expect(.invalidMember, merges, appending(.array([.string("a")])))
    try expect(.invalidMember, merges, appending(.integer(1)))
    try expect(.invalidMember, merges) { _ in nil }
  }

  @Test func entriesAreChecked() throws {
    let vocabulary = ["model", "vocab"]
    try expect(.duplicateID, vocabulary, setting("zzzz", .integer(64)))
    try expect(.duplicateID, vocabulary, setting("zzzz", .integer(770)))
    try expect(.idOutOfRange, vocabulary, setting("zzzz", .integer(-1)))
    try expect(.idOutOfRange, vocabulary, setting("zzzz", .integer(1 << 22)))
    // Within the limit, but few bytes would take much memory.
    try expect(.idOutOfRange, vocabulary, setting("zzzz", .integer(1 << 22 - 2)))
    try expect(.idOutOfRange, vocabulary, setting("zzzz", .integer(.max)))
    try expect(.invalidMember, vocabulary, setting("zzzz", .string("1")))
    try expect(.invalidEntry, vocabulary, setting("", .integer(900)))
    try expect(.invalidEntry, vocabulary, setting("z z", .integer(900)))
    try expect(.missingByte, vocabulary, setting("Ġ", nil))
    let long = String(repeating: "z", count: TokenizerTables.maximumTokenByteCount + 1)
    try expect(.tooLarge, vocabulary, setting(long, .integer(900)))
    try expect(.invalidMember, vocabulary) { _ in .array([]) }
  }

  private func token(
    _ content: String, _ id: Int, _ option: String? = nil
  ) -> JSONValue {
    var object = JSONObject([("id", .integer(id)), ("content", .string(content))])
    object["normalized"] = .bool(false)
    if let option { object[option] = .bool(true) }
    return .object(object)
  }

  @Test func addedTokensAreChecked() throws {
    let tokens = ["added_tokens"]
    try expect(.duplicateID, tokens, appending(token("<|im_end|>", 900)))
    try expect(.duplicateID, tokens, appending(token("<|new|>", 770)))
    try expect(.duplicateID, tokens, appending(token("a", 900)))
    try expect(.idOutOfRange, tokens, appending(token("<|new|>", -5)))
    try expect(.invalidEntry, tokens, appending(token("", 900)))
    try expect(.unsupported, tokens, appending(token("<|new|>", 900, "lstrip")))
    try expect(.unsupported, tokens, appending(token("<|new|>", 900, "rstrip")))
    try expect(.unsupported, tokens, appending(token("<|new|>", 900, "single_word")))
    try expect(.unsupported, tokens, appending(token("e\u{301}", 900, "normalized")))
    try expect(.invalidMember, tokens, appending(.integer(3)))
    for option in ["special", "normalized", "lstrip"] {
      try expect(.invalidMember, tokens) { value in
        guard var object = token("<|new|>", 900).objectValue else { return value }
        object[option] = .integer(1)
        return try appending(.object(object))(value)
      }
    }
    try expect(.invalidMember, tokens) { _ in .string("x") }
  }

  @Test func otherKindsOfTokenizerAreRefused() throws {
    try expect(.unsupported, ["model", "type"]) { _ in .string("Unigram") }
    try expect(.unsupported, ["model", "byte_fallback"]) { _ in .bool(true) }
    try expect(.unsupported, ["model", "ignore_merges"]) { _ in .bool(true) }
    try expect(.invalidMember, ["model", "byte_fallback"]) { _ in .integer(1) }
    try expect(.unsupported, ["model", "dropout"]) { _ in .number(0.1) }
    try expect(.unsupported, ["normalizer", "type"]) { _ in .string("NFKC") }
    try expect(.unsupported, ["pre_tokenizer", "type"]) { _ in .string("Other") }
    try expect(.unsupported, ["pre_tokenizer", "pretokenizers"]) { _ in .array([]) }
    try expect(.unsupported, ["decoder"]) { _ in nil }
    try expect(.invalidMember, ["model"]) { _ in nil }
    #expect { try TokenizerSource(tokenizerJSON: Array("{".utf8)) } throws: {
      ($0 as? TokenizerError)?.code == .invalidJSON
    }
    #expect { try TokenizerSource(tokenizerJSON: Array(#"{"a":1,"a":2}"#.utf8)) } throws: {
      "\($0)".hasPrefix("tokenizer.json: key \"a\" stands twice")
    }
  }

  /// A training may leave them on; a prompt is encoded whole and alone.
  @Test func truncationAndPaddingAreIgnored() throws {
    let truncation = try JSONValue(
      parsing: #"{"direction":"Right","max_length":4,"strategy":"LongestFirst","stride":0}"#)
    let padding = try JSONValue(
      parsing: #"{"strategy":{"Fixed":64},"direction":"Left","pad_id":768,"pad_token":"x"}"#)
    for (key, value) in [("truncation", truncation), ("padding", padding)] {
      let bytes = try tokenizerJSON([key]) { _ in value }
      let tables = try TokenizerSource(tokenizerJSON: bytes).makeTables()
      #expect(try tables == TestTokenizers.tiny.get().tables)
    }
  }

  @Test func aByteOrderMarkIsSkipped() throws {
    let bytes = try tokenizerJSON(["model", "type"]) { $0 }
    let tables = try TokenizerSource(tokenizerJSON: [0xEF, 0xBB, 0xBF] + bytes).makeTables()
    #expect(try tables == TestTokenizers.tiny.get().tables)
    let parts = ["tiny/vocab.json", "tiny/merges.txt"]
    let (vocabulary, merges) = (try Fixtures.bytes(parts[0]), try Fixtures.bytes(parts[1]))
    let plain = try TokenizerSource(vocabularyJSON: vocabulary, mergesText: merges).makeTables()
    let marked = try TokenizerSource(
      vocabularyJSON: [0xEF, 0xBB, 0xBF] + vocabulary, mergesText: [0xEF, 0xBB, 0xBF] + merges)
    #expect(try marked.makeTables() == plain)
  }

  @Test func pointersOfLargeFilesAreNamed() throws {
    let pointer = Array("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 7\n".utf8)
    let vocabulary = try Fixtures.bytes("tiny/vocab.json")
    #expect { try TokenizerSource(tokenizerJSON: pointer) } throws: {
      "\($0)".hasPrefix("tokenizer.json: is a Git LFS pointer") && "\($0)".hasSuffix("git lfs pull")
    }
    #expect {
      try TokenizerSource(vocabularyJSON: vocabulary, mergesText: pointer)
    } throws: { "\($0)".hasPrefix("merges.txt: is a Git LFS pointer") }
  }

  @Test func errorTellsFilePlaceAndRemedy() throws {
    let bytes = try tokenizerJSON(["model", "merges"], appending(.string("a zzzz")))
    #expect { try TokenizerSource(tokenizerJSON: bytes) } throws: {
      "\($0)" == "tokenizer.json: model.merges[512]: a part or the joined text is no entry of the "
        + "vocabulary; the files do not belong together"
    }
  }

  @Test func textMergesGiveTheSameTablesAsPairs() throws {
    let bytes = try tokenizerJSON(["model", "merges"]) { merges in
      .array(
        try #require(merges?.arrayValue).map { merge in
          .string(try #require(merge.arrayValue).compactMap(\.stringValue).joined(separator: " "))
        })
    }
    let tables = try TokenizerSource(tokenizerJSON: bytes).makeTables()
    #expect(try tables == TestTokenizers.tiny.get().tables)
  }
}
