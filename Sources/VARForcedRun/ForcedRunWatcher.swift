import VARKernels

/// What watches a forced run: it sees the inputs of linear layers (`LinearObserver`), and what the networks say.
package protocol ForcedRunWatcher: LinearObserver {
  /// Rows follow; each layer that they pass sees them in this order, some in several calls.
  func begin(_ kinds: TokenKinds)

  /// All rows of all cases have passed a layer.
  func finishLayer() throws

  /// Could keep where the run stands, before the next layer.
  func offer(_ state: () -> ForcedRunState) throws

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
  package func offer(_ state: () -> ForcedRunState) throws {}
  package var wantsWordLogits: Bool { false }
  package func see(wordLogits: Rows, ofCase index: Int) throws {}
  package func see(bitLogits: Rows, scale: Int, ofCase index: Int) throws {}
}
