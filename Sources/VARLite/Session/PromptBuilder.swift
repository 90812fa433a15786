import VARModels
import VARTokenizer

/// Messages to token ids (MODEL 4).
package struct PromptBuilder {
  let model: Model

  package init(model: Model) { self.model = model }

  private var tokens: SpecialTokens { model.configuration.specialTokens }

  /// Ids of messages and the start of the answer, one placeholder per picture.
  ///
  /// - Parameter isFirstTurn: whether the conversation begins here; it then has a system message.
  func ids(_ messages: [Message], isFirstTurn: Bool) throws(VARLiteError) -> [Int32] {
    guard messages.last?.role == .user else {
      throw VARLiteError(.request, "the last message is not the user's; there is nothing to answer")
    }
    try checkLength(of: messages)
    let pieces = ChatTemplate.pieces(
      messages.map(\.template), addDefaultSystem: isFirstTurn)
    let ids = pieces.flatMap { piece in
      model.tokenizer.encode(
        piece.text, addedTokens: piece.isTemplate ? .recognize : .plainText)
    }
    let placeholders = ids.count { Int($0) == tokens.imagePad }
    guard placeholders == messages.reduce(0, { $0 + $1.pictures.count }) else {
      throw VARLiteError(
        .request,
        "the text holds the model's own picture placeholder; write <image> where a picture goes")
    }
    return ids
  }

  /// The tokens of the first message, which is the system's, up to where the next one starts; nil where it holds
  /// pictures.
  ///
  /// - Parameter ids: of a conversation from its beginning on.
  func systemTurn(of ids: [Int32]) -> PromptTokens? {
    guard let start = ids.first, let end = ids.dropFirst().firstIndex(of: start),
      !ids[..<end].contains(Int32(tokens.imagePad))
    else { return nil }
    return PromptTokens(Array(ids[..<end]), tokens: tokens)
  }

  /// Throws `contextFull` for a text that is too long whatever its tokens: it is not encoded.
  private func checkLength(of messages: [Message]) throws(VARLiteError) {
    let byteCount = messages.reduce(0) { $0 + $1.textByteCount }
    // Normalization may make a text shorter, by less than three quarters.
    let least = byteCount / (4 * max(1, model.tokenizer.longestTokenByteCount))
    let limit = model.configuration.languageModel.maxPositionEmbeddings
    guard least < limit else {
      throw VARLiteError(
        .contextFull,
        "the prompt has more than \(least) tokens, the model reads \(limit) at most; shorten it")
    }
  }

  /// Throws `request` unless tokens can stand behind the prompt of a drawing.
  func check(_ answer: [Int32]) throws(VARLiteError) {
    let vocabulary = Int32(model.configuration.languageModel.vocabSize)
    guard answer.allSatisfy({ (0..<vocabulary).contains($0) }),
      answer.last.map(Int.init) == tokens.imageGenStart
    else {
      throw VARLiteError(.request, "the saved drawing does not begin with tokens of this model")
    }
  }

  /// Repeats the i-th placeholder once for each token of the i-th picture.
  package func expand(_ ids: [Int32], pictures: [Int]) throws(TokenizerError) -> [Int32] {
    try ChatTemplate.expandImagePads(in: ids, padID: Int32(tokens.imagePad), counts: pictures)
  }

  /// What stands between the answer in the cache and the next turn. A drawn picture is closed by
  /// its end token; the keys and values of its own tokens are overwritten by these.
  ///
  /// - Parameter pending: a picked token that the answer ends with and that is not in the cache.
  func endOfAnswer(pending: Int32?, drew: Bool) -> [Int32] {
    var ids = drew ? [Int32(tokens.imageGenEnd)] : []
    // A turn ends with one token, whichever of those that end a text the model has picked.
    if let pending, !model.generationDefaults.endOfSequenceTokens.contains(Int(pending)) {
      ids.append(pending)
    }
    return ids + [Int32(tokens.endOfSequence)] + model.tokenizer.encode("\n")
  }

  /// Tokens that `endOfAnswer` adds at most, with the token that starts a picture.
  var largestEndOfAnswer: Int { 1 + endOfAnswer(pending: nil, drew: true).count }
}

extension Message {
  /// Bytes of all texts in UTF-8.
  fileprivate var textByteCount: Int {
    parts.reduce(0) { count, part in
      switch part.content {
      case .text(let text), .templateText(let text): count + text.utf8.count
      case .picture: count
      }
    }
  }

  /// The message as the chat template takes it.
  fileprivate var template: ChatMessage {
    let role: ChatMessage.Role =
      switch self.role {
      case .system: .system
      case .user: .user
      case .assistant: .assistant
      }
    return ChatMessage(
      role,
      parts.map { part in
        switch part.content {
        case .text(let text): .plainText(text)
        case .templateText(let text): .text(text)
        case .picture: .image
        }
      })
  }
}
