import VARKernels

/// What measures a request from inside, for accuracy tools and tests. None of it changes a result but forced bits.
package struct Instruments {
  /// Gets the intermediate tensors.
  package var recorder: TraceRecorder?
  /// Sees the inputs of linear layers.
  package var observer: (any LinearObserver)?
  /// Bits that the picture consists of, per scale `[tokens, codebookDim]`, instead of drawn ones: measures a model with
  /// the history forced.
  package var forcedBits: [[UInt8]]?
  /// Rows of a prompt that go through the layers at once; nil picks. Changes no result.
  package var rowsPerPass: Int?

  package init(
    recorder: TraceRecorder? = nil, observer: (any LinearObserver)? = nil,
    forcedBits: [[UInt8]]? = nil, rowsPerPass: Int? = nil
  ) {
    self.recorder = recorder
    self.observer = observer
    self.forcedBits = forcedBits
    self.rowsPerPass = rowsPerPass
  }
}
