import VARKernels
import VARModels

/// What watches a forced run: it sees the inputs of linear layers (`LinearObserver`), and what the networks say.
package protocol ForcedRunWatcher: LinearObserver {
  /// Rows follow; each layer that they pass sees them in this order, some in several calls.
  func begin(_ kinds: TokenKinds)

  /// All rows of all cases have passed a layer, or what a block of the generator reads apart. Where the watcher rounds
  /// the generator, the weights of its blocks can be read then, those that are read apart alone and all others alone;
  /// weights of other layers cannot.
  func finishLayer() throws

  /// The generator's weights where the watcher rounds them while the run goes on, nil where it does not.
  ///
  /// The tokens of drawings then take a second path, through what is rounded already: the blocks before, and those
  /// layers of the block at work that `finishLayer` has put into these weights. The watcher sees the rows of a drawing
  /// on this path after those on the original one (`beginRounded`). When it does not want the block again, tokens on
  /// the second path take it a last time, unseen, and the block ends (`endBlock`).
  var roundedWeights: ReplacedWeights? { get }

  /// Whether all rows are to pass the generator's block again, since some of its layers are not rounded yet.
  var wantsBlockAgain: Bool { get }

  /// All tokens have passed a block that is rounded: its original weights get their place back.
  func endBlock()

  /// Rows follow that are on the rounded path, in the order in which the original ones have come.
  func beginRounded(_ kinds: TokenKinds)

  /// Whether rows are to go through a block or layer; others are read and left out.
  func enters(_ group: TensorGroup) -> Bool

  /// Rows of all cases leave a layer.
  ///
  /// - Parameters:
  ///   - group: whose weights made them.
  ///   - values: of each picture, case or drawing, or of each scale of a drawing; rows of `columns` values.
  /// - Returns: what goes on instead of them, of the same shape.
  func leave(_ group: TensorGroup, _ values: [[Float]], columns: Int) throws -> [[Float]]

  /// Could keep where the run stands, before the next layer.
  func offer(_ state: () -> ForcedRunState) throws

  /// Sees what the vision tower makes of the pictures that a case looks at, `[tokens, hiddenSize]`, in one call for
  /// each picture. Nothing is seen where an earlier run had seen it.
  func see(pictureEmbeddings: Rows, ofCase index: Int) throws

  /// Whether logits of words are wanted: without, the largest matrix of the language model is not read.
  var wantsWordLogits: Bool { get }

  /// Sees what the language model says of each token of an answer, `[tokens, vocabSize]`, in one call or several.
  ///
  /// - Parameter index: which case.
  func see(wordLogits: Rows, ofCase index: Int) throws

  /// Sees what the generator says of each bit of a scale after guidance, `[tokens, 2 * codebookDim]`, for 0 and 1.
  ///
  /// - Parameter index: which case.
  func see(bitLogits: Rows, scale: Int, ofCase index: Int) throws
}

extension ForcedRunWatcher {
  package func begin(_ kinds: TokenKinds) {}
  package func finishLayer() throws {}
  package var roundedWeights: ReplacedWeights? { nil }
  package var wantsBlockAgain: Bool { false }
  package func endBlock() {}
  package func beginRounded(_ kinds: TokenKinds) {}
  package func enters(_ group: TensorGroup) -> Bool { true }
  package func leave(
    _ group: TensorGroup, _ values: [[Float]], columns: Int
  ) throws -> [[Float]] { values }
  package func offer(_ state: () -> ForcedRunState) throws {}
  package func see(pictureEmbeddings: Rows, ofCase index: Int) throws {}
  package var wantsWordLogits: Bool { false }
  package func see(wordLogits: Rows, ofCase index: Int) throws {}
  package func see(bitLogits: Rows, scale: Int, ofCase index: Int) throws {}
}
