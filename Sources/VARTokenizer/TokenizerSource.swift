/// A tokenizer as its files describe it, checked and ready to be laid out as tables.
///
/// Only what Qwen2 uses is accepted: byte-level BPE, one splitting expression, NFC or no
/// normalization. Anything else is refused, since its ids would silently differ.
package struct TokenizerSource: Sendable {
  struct Merge {
    let left: UInt32
    let right: UInt32
    let result: UInt32
  }

  struct AddedToken: Equatable {
    let id: UInt32
    let content: [UInt8]
    /// Left out of decoded text on request.
    let isSpecial: Bool
    /// Searched after normalization instead of before.
    let isNormalized: Bool
  }

  /// A token outside the merges, as a file states it; special and searched in the text as it is unless said otherwise.
  struct StatedToken {
    let content: String
    let id: Int
    var isSpecial = true
    var isNormalized = false
  }

  /// No tokenizer file may be larger; the real ones have 7 to 11 MB.
  package static let maximumFileByteCount = 16 << 20

  var normalizes = true
  private(set) var ids: [[UInt8]: UInt32] = [:]
  /// Text of each id; empty where an id is not used.
  private(set) var texts: [[UInt8]] = []
  private(set) var merges: [Merge] = []
  private var mergeKeys: Set<UInt64> = []
  private(set) var addedTokens: [AddedToken] = []
  private var addedIDs: [[UInt8]: UInt32] = [:]

  init() {}

  /// Adds an entry of the vocabulary, its text already in bytes.
  mutating func addEntry(
    _ bytes: [UInt8], id: Int, in source: String, at place: @autoclosure () -> String
  ) throws(TokenizerError) {
    let number = try register(bytes, id, source, place)
    guard ids.updateValue(number, forKey: bytes) == nil else {
      throw TokenizerError(
        .duplicateID, in: source, at: place(), "the same bytes already have another id")
    }
  }

  /// Adds a merge; its rank is the number of merges before it.
  mutating func addMerge(
    _ left: [UInt8], _ right: [UInt8], in source: String, at place: @autoclosure () -> String
  ) throws(TokenizerError) {
    guard merges.count < TokenizerTables.maximumMergeCount else {
      throw TokenizerError(
        .tooLarge, in: source, at: place(),
        "more than \(TokenizerTables.maximumMergeCount) merges")
    }
    // Both parts are entries, so neither is empty: every merge lengthens, and merging ends.
    guard let leftID = ids[left], let rightID = ids[right], let result = ids[left + right] else {
      throw TokenizerError(
        .invalidMerge, in: source, at: place(),
        "a part or the joined text is no entry of the vocabulary; the files do not belong together"
      )
    }
    guard mergeKeys.insert(TokenizerTables.pairKey(leftID, rightID)).inserted else {
      throw TokenizerError(.duplicateMerge, in: source, at: place(), "this pair stands twice")
    }
    merges.append(Merge(left: leftID, right: rightID, result: result))
  }

  /// Adds a token outside the merges. A token that several files name alike counts once.
  mutating func addToken(
    _ token: StatedToken, in source: String, at place: String
  ) throws(TokenizerError) {
    let (content, id) = (token.content, token.id)
    let bytes = Array(content.utf8)
    if let known = addedIDs[bytes] {
      guard Int(known) == id else {
        throw TokenizerError(
          .duplicateID, in: source, at: place, "\"\(content)\" is \(known) and \(id)")
      }
      return
    }
    if token.isNormalized {
      let changes = bytes.withUnsafeBufferPointer { buffer in
        buffer.baseAddress.map {
          CanonicalComposer.compose(UTF8Text(bytes: $0, count: buffer.count)) != nil
        }
      }
      guard changes != true else {
        throw TokenizerError(
          .unsupported, in: source, at: place,
          "a token that is searched in normalized text but is not normalized itself")
      }
    }
    // Some writers list added tokens in the vocabulary too.
    let number: UInt32
    if let existing = ids[bytes] {
      guard Int(existing) == id else {
        throw TokenizerError(
          .duplicateID, in: source, at: place, "\"\(content)\" is \(existing) and \(id)")
      }
      number = existing
    } else {
      number = try register(bytes, id, source) { place }
    }
    guard addedTokens.count < TokenizerTables.maximumAddedCount else {
      throw TokenizerError(.tooLarge, in: source, at: place, "too many added tokens")
    }
    addedIDs[bytes] = number
    addedTokens.append(
      AddedToken(
        id: number, content: bytes, isSpecial: token.isSpecial, isNormalized: token.isNormalized))
  }

  /// The id of an added token with that text; nil where there is none.
  package func addedTokenID(of content: String) -> Int? {
    addedIDs[Array(content.utf8)].map(Int.init)
  }

  /// Adds a token that is matched verbatim before normalization, unless the tokenizer has it under this id.
  ///
  /// Throws `duplicateID` where the text or the id is taken.
  package mutating func addSpecialToken(_ content: String, id: Int) throws(TokenizerError) {
    try addToken(StatedToken(content: content, id: id), in: "the added tokens", at: content)
  }

  /// Ids that a source of few entries may have; the largest vocabularies in use have half of them.
  private static let idCountOfAnySource = 1 << 19

  /// Takes a free id for a text.
  private mutating func register(
    _ bytes: [UInt8], _ id: Int, _ source: String, _ place: () -> String
  ) throws(TokenizerError) -> UInt32 {
    guard !bytes.isEmpty else {
      throw TokenizerError(.invalidEntry, in: source, at: place(), "an entry without text")
    }
    guard bytes.count <= TokenizerTables.maximumTokenByteCount else {
      throw TokenizerError(
        .tooLarge, in: source, at: place(),
        "an entry of \(bytes.count) bytes; at most \(TokenizerTables.maximumTokenByteCount)")
    }
    guard id >= 0, id < TokenizerTables.maximumIDCount else {
      throw TokenizerError(
        .idOutOfRange, in: source, at: place(),
        "id \(id) is not in 0..<\(TokenizerTables.maximumIDCount)")
    }
    // Every id up to the largest takes memory, whether it stands for a text or not.
    guard id < Self.idCountOfAnySource || id / 8 <= ids.count else {
      throw TokenizerError(
        .idOutOfRange, in: source, at: place(),
        "id \(id) is far beyond the \(ids.count) entries before it")
    }
    if id >= texts.count {
      texts.append(contentsOf: repeatElement([], count: id + 1 - texts.count))
    }
    guard texts[id].isEmpty else {
      throw TokenizerError(
        .duplicateID, in: source, at: place(), "id \(id) already stands for another text")
    }
    texts[id] = bytes
    return UInt32(id)
  }
}
