import VARModels
import VARTokenizer

/// Turns of a conversation to token ids (MODEL 4).
struct PromptBuilder {
  let model: VARGPT

  private var tokens: SpecialTokens { model.configuration.specialTokens }

  /// Ids of a user turn and the start of the answer, one placeholder per picture.
  func ids(
    _ prompt: Prompt, isFirstTurn: Bool, forcesDrawing: Bool
  ) throws(GenerationError) -> [Int32] {
    let user = ChatMessage(.user, try prompt.parts())
    let system = prompt.system.map { [ChatMessage(.system, $0)] } ?? []
    let text = ChatTemplate.render(system + [user], addDefaultSystem: isFirstTurn)
    var ids = model.tokenizer.encode(text)
    let placeholders = ids.count { Int($0) == tokens.imagePad }
    guard placeholders == prompt.images.count else {
      throw GenerationError(
        .invalidRequest,
        "the text holds the model's own picture placeholder; write <image> where a picture goes")
    }
    if forcesDrawing { ids.append(Int32(tokens.imageGenStart)) }
    return ids
  }

  /// Repeats the i-th placeholder once for each token of the i-th picture.
  func expand(_ ids: [Int32], pictures: [Int]) throws(TokenizerError) -> [Int32] {
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
