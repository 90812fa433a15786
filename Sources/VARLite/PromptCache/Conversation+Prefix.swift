import VARModels

extension Conversation {
  /// Whether prompts are read only as far as they are new, and kept. Who measures sees all rows.
  var reusesPrefixes: Bool {
    model.options.promptCache.extent != .nothing && instruments.recorder == nil
      && instruments.observer == nil
  }

  /// What can be taken over of the beginning of a prompt that starts a conversation, and what is to be kept of it.
  ///
  /// - Parameter limit: tokens that may be taken over at most.
  func prefixReuse(
    _ turn: PreparedRequest, _ tokens: PromptTokens, atMost limit: Int, draws: Bool
  ) -> PrefixReuse {
    guard session == nil, reusesPrefixes else { return PrefixReuse() }
    var reuse = PrefixReuse(kept: missingSystemTurn(turn))
    let found = model.prefixes.longest(
      of: tokens, kvType ?? model.kvType, needsHiddenStates: draws || reuse.kept != nil)
    if let found {
      reuse.source = found.prefix
      reuse.count = min(found.count, limit)
    }
    return reuse
  }

  /// Memory for the system turn where the model does not keep it yet; nil where it does, or where there is no room.
  private func missingSystemTurn(_ turn: PreparedRequest) -> KeptPrefix? {
    let (store, kvType) = (model.prefixes, kvType ?? model.kvType)
    guard let tokens = turn.systemTurn, !store.holds(systemTurn: tokens, kvType),
      let shape = model.keptShape(tokens.count, kvType, hasHiddenStates: true),
      store.makeRoom(forSystemTurn: shape, within: keptLimit),
      let prefix = KeptPrefix(tokens, shape, isSystemTurn: true)
    else { return nil }
    guard let path = model.options.promptCache.path,
      prefix.read(path, model: model.contentHash)
    else { return prefix }
    store.insert(prefix, within: keptLimit)
    return nil
  }

  /// Keeps the system turn whose final hidden states a prefix has already.
  func keepSystemTurn(_ prefix: KeptPrefix, of session: LanguageSession) {
    prefix.cache.copyFirst(prefix.tokens.count, from: session.cache)
    model.prefixes.insert(prefix, within: keptLimit)
    newSystemTurn = prefix
  }

  /// Keeps the conversation up to the last token that was read or written.
  func keepConversation() {
    guard contextTokens == nil, let session, var tokens = promptTokens,
      model.options.promptCache.extent == .conversations, reusesPrefixes
    else { return }
    promptTokens = nil
    let count = session.ids.count
    tokens.append(
      session.ids[tokens.count...], at: session.positions.positions[tokens.count...])
    let draws = session.capacity.drawing != nil
    guard
      let shape = model.keptShape(count, kvType ?? model.kvType, hasHiddenStates: draws),
      model.prefixes.makeRoom(for: shape, of: tokens, within: keptLimit),
      let prefix = KeptPrefix(tokens, shape, isSystemTurn: false)
    else { return }
    prefix.cache.copyFirst(count, from: session.cache)
    if draws { prefix.hidden.copy(from: session.pastHidden[..<count]) }
    model.prefixes.insert(prefix, within: keptLimit)
  }

  /// Writes a system turn that was read anew to the file that keeps it. Where the disk takes none, the next process
  /// reads it again.
  func saveSystemTurn() {
    guard let prefix = newSystemTurn else { return }
    newSystemTurn = nil
    guard let path = model.options.promptCache.path else { return }
    try? prefix.write(to: path, model: model.contentHash)
  }

  private var keptLimit: Int { plan?.keptByteCount ?? 0 }
}

extension Model {
  /// Memory of what is kept of prompts.
  package var keptPromptBytes: Int { prefixes.byteCount }

  /// Nil for a prefix of no tokens.
  func keptShape(_ count: Int, _ kvType: KVType, hasHiddenStates: Bool) -> KeptPrefix.Shape? {
    guard count > 0 else { return nil }
    return KeptPrefix.Shape(
      language: configuration.languageModel, kvType: kvType, count: count,
      hasHiddenStates: hasHiddenStates)
  }
}
