import VARKernels
import VARModels

/// The steps by which a picture is drawn, scale by scale (MODEL 9.3), and what they work on.
struct DrawingPass {
  /// The scales in their order.
  let scales: [ScaleStep]
  /// The codes of all scales so far, added up on the final grid.
  var sum: Rows { state.sum }

  private let drawing: ImageDrawing
  private let model: ScaleTransformer
  private let session: LanguageSession
  private let state: DrawingBuffers
  private let run: RunContext
  private let quantizer: BinaryQuantizer
  /// The rows of each scale as sequences of the language model, made before the first so that no scale allocates.
  private let sequences: [[Qwen2Model.SequenceRows]]

  init(
    _ drawing: ImageDrawing, _ session: LanguageSession, _ generator: ScaleTransformer,
    _ state: DrawingBuffers, _ run: RunContext
  ) {
    self.drawing = drawing
    model = generator
    self.session = session
    self.state = state
    self.run = run
    quantizer = BinaryQuantizer(
      codebookDim: drawing.configuration.generator.codebookDim, schedule: drawing.schedule)
    scales = drawing.steps
    // The conditional branch continues the conversation; the unconditional one begins anew with each scale and has no
    // history (MODEL 9.4).
    sequences = scales.map { scale in
      (0..<scale.branchCount).map { branch in
        Qwen2Model.SequenceRows(
          rows: scale.readRows(ofBranch: branch),
          cache: branch == 0 ? session.cache : state.unconditional,
          firstIndex: branch == 0 ? session.ids.count + scale.cachedReadTokens : 0)
      }
    }
  }

  /// Keys and values of the text features in every block of the generator.
  func readText() throws {
    // The hidden state of the token that starts the picture is not among the text features.
    let states = session.pastHidden[..<state.context.count]
    try model.projectStates(states, into: state.context, state: state.generator, run)
    run.trace?.record("past_hidden_states", session.pastHidden[..<session.ids.count], branches: 1)
    try model.traceContext(state.context, state: state.generator, run)
    let lengths = state.generator.branches.map(\.textLength)
    (run.trace as? TraceRecorder)?.record(
      "ca_cu_seqlens", shape: [lengths.count + 1],
      integers: lengths.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1) })
    try model.prepareCrossAttention(context: state.context, state: state.generator, run)
  }

  /// The language model's residual stream of a scale.
  private func hidden(_ scale: ScaleStep) -> Rows { session.state.hidden[..<scale.readRowCount] }

  /// Embeddings of the start, or of the codes that the scales before have left for this one, where they are read.
  func embed(_ scale: ScaleStep) throws {
    let hidden = hidden(scale)
    guard scale.index > 0 else {
      return try model.firstEmbeddings(into: hidden, state: state.generator, run)
    }
    let conditional = hidden[scale.readRows(ofBranch: 0)]
    try model.embeddings(
      ofCodes: scale.lattice.gather(state.codes[..<scale.tokenCount]), into: conditional,
      state: state.generator, traceName: "s\(scale.index - 1)", run)
    // The codes are the same for both branches, so are their embeddings.
    if scale.branchCount == 2 { hidden[scale.readRows(ofBranch: 1)].copy(from: conditional) }
  }

  /// Both branches in one pass over the layers (MODEL 9.4).
  func runLanguageModel(_ scale: ScaleStep) throws {
    let (language, hidden) = (session.model, hidden(scale))
    run.trace?.record("s\(scale.index).llm_in", hidden, branches: scale.branchCount)
    // Tokens of a picture stand at their number in the sequence on all axes, whatever the positions of the text. Tokens
    // that are not read are counted, too.
    for (branch, sequence) in sequences[scale.index].enumerated() {
      let first = branch == 0 ? session.ids.count + scale.cachedTokens : 0
      try language.prepareRotary(sequence.rows, session.state) {
        first + scale.lattice.token($0)
      }
    }
    try language.forward(sequences[scale.index], state: session.state, run.untraced)
    let states = state.states[..<scale.readRowCount]
    try language.normalize(hidden, into: states, run)
    run.trace?.record("s\(scale.index).llm_out", states, branches: scale.branchCount)
  }

  /// The generator's tokens: projected states of the tokens that the language model has read, and what lies between.
  func projectStates(_ scale: ScaleStep) throws {
    let tokens = state.generator.tokens[..<scale.rowCount]
    try model.projectStates(
      state.states[..<scale.readRowCount], into: tokens[..<scale.readRowCount],
      state: state.generator, run)
    scale.lattice.spread(tokens, branchCount: scale.branchCount)
    run.trace?.record("s\(scale.index).gen_in", tokens, branches: scale.branchCount)
  }

  func runGenerator(_ scale: ScaleStep) throws {
    try model.forward(
      scale, state: state.generator, logits: state.logits[..<scale.rowCount], run)
  }

  /// Bits of the guided logits.
  func sampleBits(_ scale: ScaleStep, into bits: inout [UInt8]) throws {
    let logits = state.logits[scale.rows(ofBranch: 0)]
    drawing.sampler.guide(
      logits, unconditional: scale.branchCount == 2 ? state.logits[scale.rows(ofBranch: 1)] : nil)
    try FiniteNumbers.require(
      UnsafeBufferPointer(logits.values), of: "generator", modelPath: drawing.modelPath)
    run.trace?.record("s\(scale.index).logits", logits, branches: 1)
    drawing.sampler(ofScale: scale.index).draw(logits, scale: scale.index, into: &bits)
  }

  /// Adds the codes of a scale's bits to the sum and leaves the codes that the next scale starts from.
  func addCodes(_ bits: [UInt8], _ scale: ScaleStep) {
    let (schedule, index) = (drawing.schedule, scale.index)
    let codes = state.codes[..<scale.tokenCount]
    (run.trace as? TraceRecorder)?.record(
      "s\(index).bits", shape: [1, scale.grid.height, scale.grid.width, codes.columns],
      bytes: bits)
    bits.withUnsafeBufferPointer { quantizer.codes(of: $0, into: codes) }
    quantizer.accumulate(codes, scale: index, into: sum, scratch: state.scratch)
    run.trace?.record("s\(index).summed_codes", sum, schedule.finalGrid)
    guard index + 1 < scales.count else {
      run.trace?.record("summed_codes_final", sum, schedule.finalGrid)
      return
    }
    let next = scales[index + 1]
    let nextCodes = state.codes[..<next.tokenCount]
    CodeMap.bilinear(sum, from: schedule.finalGrid, to: next.grid, into: nextCodes)
    run.trace?.record("s\(index).next_codes", nextCodes, next.grid)
  }
}

extension TraceSink {
  /// Records a map, a row for each place of the grid.
  fileprivate func record(_ name: String, _ map: Rows, _ grid: GridSize) {
    record(
      name, height: grid.height, width: grid.width, channels: map.columns, map: map.pointer)
  }
}
