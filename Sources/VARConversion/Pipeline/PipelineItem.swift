import VQ4Format

/// What the reader hands on, in the order in which the writer takes it.
final class PipelineItem: @unchecked Sendable {
  enum Content {
    /// A tensor that is made whole: its row in the plan and its values.
    case vector(rowIndex: Int, values: [Float])
    /// A chunk of a weight; the slot goes back when it is written.
    case chunk(WeightJob, index: Int, slot: ChunkSlot)
    /// A part of the checkpoint that was read for its hash alone.
    case digest
    /// The reader could not go on.
    case failure(any Error)
    /// Nothing follows.
    case end
  }

  let content: Content
  /// The tensor of the checkpoint that was read, and the hashes of its pieces that are complete.
  let source: (name: String, pieces: [VQ4Hash], isComplete: Bool)?
  /// What the worker made of a chunk; nil until then.
  var outcome: Result<EncodedWeightChunk, any Error>?

  init(
    _ content: Content, source: (name: String, pieces: [VQ4Hash], isComplete: Bool)? = nil
  ) {
    self.content = content
    self.source = source
  }

  /// Whether the writer may take it.
  var isReady: Bool {
    if case .chunk = content { outcome != nil } else { true }
  }
}
