import VARKernels
import VARModels

/// A conversation's state in the language model: token ids, positions, the KV cache and, where
/// pictures may be drawn, every final hidden state.
package final class LanguageSession {
  /// How much a session can hold.
  package struct Capacity {
    /// Text and picture tokens of the conversation.
    var context: Int
    /// Tokens of the context that are kept free for the end of an answer.
    var closing: Int
    /// The tokens of a picture that is drawn; nil where none can be.
    var drawing: DrawingRoom?
    /// Rows that go through the layers at once.
    var rows: Int

    package init(context: Int, drawing: DrawingRoom?, rows: Int, closing: Int = 0) {
      self.context = context
      self.closing = closing
      self.drawing = drawing
      self.rows = rows
    }
  }

  package struct Layout {
    let capacity: Capacity
    let state: Qwen2State.Layout
    let cache: KVCache.Layout
    let logits, lastHidden, pastHidden: MemoryPlan.RowsID
    let candidates: MemoryPlan.ID
  }

  package static func reserve(
    _ plan: inout MemoryPlan, _ configuration: Qwen2Configuration, capacity: Capacity,
    kvType: KVType
  ) -> Layout {
    let width = configuration.hiddenSize
    let drawing = capacity.drawing
    return Layout(
      capacity: capacity,
      state: Qwen2State.reserve(&plan, configuration, rowCapacity: capacity.rows),
      cache: KVCache.Layout.reserve(
        &plan, "llm.kv",
        .init(
          kvType, layerCount: configuration.numHiddenLayers,
          kvHeads: configuration.numKeyValueHeads, headDim: configuration.headDim,
          hasKeyBias: true),
        capacity: capacity.context + (drawing?.earlierTokens ?? 0),
        tailCapacity: drawing?.lastTokens ?? 0),
      logits: plan.reserve("llm.logits", rows: 1, columns: configuration.vocabSize),
      lastHidden: plan.reserve("llm.last_hidden", rows: 1, columns: width),
      pastHidden: plan.reserve(
        "llm.past_hidden", rows: drawing == nil ? 0 : capacity.context, columns: width),
      candidates: plan.reserve(
        "llm.candidates",
        byteCount: configuration.vocabSize * MemoryLayout<TextSampler.Candidate>.stride))
  }

  let model: Qwen2Model
  let configuration: VARGPTConfiguration
  let capacity: Capacity
  let state: Qwen2State
  let cache: KVCache
  /// Logits of the token after the last one.
  let logits: Rows
  /// Room for the tokens that a sampler picks from.
  package let candidates: UnsafeMutableBufferPointer<TextSampler.Candidate>
  /// Final hidden state of the last token.
  private let lastHidden: Rows
  /// Final hidden states of all tokens, where pictures may be drawn.
  let pastHidden: Rows
  package private(set) var ids: [Int32] = []
  /// Tokens that went through the layers so far.
  package private(set) var computedTokens = 0
  private(set) var positions = Qwen2Positions()
  /// The one sequence of a call of `forward`, kept so that a token needs no new array.
  private var sequences: [Qwen2Model.SequenceRows] = []

  package init(
    _ layout: Layout, arena: Arena, model: Qwen2Model, configuration: VARGPTConfiguration
  ) {
    self.model = model
    self.configuration = configuration
    capacity = layout.capacity
    state = Qwen2State(layout.state, arena: arena)
    cache = KVCache(layout.cache, arena: arena)
    logits = arena.rows(layout.logits)
    candidates = UnsafeMutableBufferPointer(
      start: arena.raw(layout.candidates).assumingMemoryBound(to: TextSampler.Candidate.self),
      count: configuration.languageModel.vocabSize)
    lastHidden = arena.rows(layout.lastHidden)
    pastHidden = arena.rows(layout.pastHidden)
    ids.reserveCapacity(capacity.context)
    positions.reserveCapacity(capacity.context)
  }

  /// Whether one more token of an answer fits.
  var hasRoom: Bool { ids.count + capacity.closing < capacity.context }

  /// Throws `contextFull` unless the context holds `count` more tokens.
  func requireRoom(for count: Int) throws(VARLiteError) {
    guard ids.count + count <= capacity.context else {
      throw VARLiteError(
        .contextFull,
        "the conversation has \(ids.count + count) tokens, the context holds \(capacity.context); "
          + "shorten it or use fewer pictures")
    }
  }

  /// Where the conversation stands, to come back to.
  struct Mark {
    fileprivate var count = 0
    fileprivate var nextPosition = 0
  }

  var mark: Mark { Mark(count: ids.count, nextPosition: positions.next) }

  /// Forgets what came after a mark. The caches keep it until the next tokens overwrite it.
  func rewind(to mark: Mark) {
    ids.removeSubrange(mark.count...)
    positions.truncate(to: mark.count, next: mark.nextPosition)
  }

  /// Runs new tokens of the conversation. Where that fails, the conversation stays as it was.
  ///
  /// - Parameters:
  ///   - newIDs: tokens; every picture stands as one placeholder per picture token.
  ///   - pictures: merged grid and embeddings of the pictures in `newIDs`, in order.
  package func append(_ newIDs: [Int32], pictures: [EncodedPicture], _ run: RunContext) throws {
    try append(newIDs, pictures: pictures, PrefixReuse(), run)
  }

  /// The same for the tokens that a conversation begins with, some of which need not be computed.
  func append(
    _ newIDs: [Int32], pictures: [EncodedPicture], _ reuse: PrefixReuse, _ run: RunContext
  ) throws {
    try requireRoom(for: newIDs.count)
    let start = mark
    do {
      try extend(newIDs, pictures, reuse, run)
    } catch {
      rewind(to: start)
      throw error
    }
  }

  private func extend(
    _ newIDs: [Int32], _ pictures: [EncodedPicture], _ reuse: PrefixReuse, _ run: RunContext
  ) throws {
    let first = ids.count
    let tokens = configuration.specialTokens
    positions.append(ids: newIDs, grids: pictures.map(\.grid), tokens: tokens)
    ids += newIDs
    try restore(reuse, run)
    var embeddings = PictureRows(pictures)
    embeddings.skip(newIDs[..<reuse.count].count { Int($0) == tokens.imagePad })
    var next = first + reuse.count
    while next < ids.count {
      let rows = next..<min(next + capacity.rows, ids.count)
      try prefill(rows, &embeddings, keeping: reuse.kept, run)
      next = rows.upperBound
    }
  }

  /// The same for one token of text, without allocations.
  package func append(_ id: Int32, _ run: RunContext) throws {
    try requireRoom(for: 1)
    let start = mark
    positions.appendText()
    ids.append(id)
    var none = PictureRows([])
    do {
      try prefill(start.count..<ids.count, &none, run)
    } catch {
      rewind(to: start)
      throw error
    }
  }

  private func prefill(
    _ indices: Range<Int>, _ pictures: inout PictureRows, keeping kept: KeptPrefix? = nil,
    _ run: RunContext
  ) throws {
    let rowIDs = ids[indices]
    let hidden = state.hidden[..<indices.count]
    try model.embed(rowIDs, into: hidden, run)
    // A placeholder that the model wrote by itself is a token like any other.
    if !pictures.isEmpty {
      for (row, id) in rowIDs.enumerated() where Int(id) == configuration.specialTokens.imagePad {
        pictures.copyNext(into: hidden[row..<row + 1])
      }
    }
    run.trace?.record("embeds", hidden, branches: 1)
    try model.prepareRotary(positions.positions[indices], state)
    sequences.removeAll(keepingCapacity: true)
    sequences.append(
      Qwen2Model.SequenceRows(
        rows: 0..<indices.count, cache: cache, firstIndex: indices.lowerBound))
    try model.forward(sequences, state: state, run)
    computedTokens += indices.count
    let keptRows = keptRows(indices, kept)
    if capacity.drawing != nil {
      try model.normalize(hidden, into: pastHidden[indices], and: keptRows, run)
      lastHidden.copy(from: pastHidden[indices].last)
    } else {
      try model.normalize(hidden.last, into: lastHidden, and: keptRows, run)
    }
    try traceLogits(hidden, run)
  }

  /// Records the final hidden states and the logits of all rows, which a run needs for no other purpose.
  private func traceLogits(_ hidden: Rows, _ run: RunContext) throws {
    guard let trace = run.trace, capacity.drawing == nil else { return }
    var states = [Float](repeating: 0, count: hidden.count * hidden.columns)
    var logits = [Float](repeating: 0, count: hidden.count * self.logits.columns)
    try states.withMutableRows(columns: hidden.columns) { states in
      try model.normalize(hidden, into: states, run)
      trace.record("hidden_final_norm", states, branches: 1)
      try logits.withMutableRows(columns: self.logits.columns) { logits in
        try model.logits(of: states, into: logits, run)
        trace.record("logits", logits, branches: 1)
      }
    }
  }

  /// Logits of the token after the last one, valid until the next call.
  package func nextLogits(_ run: RunContext) throws -> UnsafeMutableBufferPointer<Float> {
    try model.logits(of: lastHidden, into: logits, run)
    return logits.values
  }
}

/// Embeddings of one picture `[grid.tokenCount, hiddenSize]`.
package struct EncodedPicture {
  /// Merged grid: tokens along each side.
  let grid: GridSize
  let embeddings: [Float]
}

/// Hands out the rows of several pictures one after the other.
private struct PictureRows {
  private let pictures: [EncodedPicture]
  private var picture = 0
  private var row = 0

  init(_ pictures: [EncodedPicture]) { self.pictures = pictures }

  var isEmpty: Bool { pictures.isEmpty }

  /// Leaves out the next rows.
  mutating func skip(_ count: Int) {
    for _ in 0..<count {
      findRow()
      row += 1
    }
  }

  private mutating func findRow() {
    while picture < pictures.count, row == pictures[picture].grid.tokenCount {
      picture += 1
      row = 0
    }
    precondition(picture < pictures.count, "more picture tokens than pictures")
  }

  mutating func copyNext(into output: Rows) {
    findRow()
    pictures[picture].embeddings.withRows(columns: output.columns) { rows in
      output.copy(from: rows[row..<row + 1])
    }
    row += 1
  }
}
