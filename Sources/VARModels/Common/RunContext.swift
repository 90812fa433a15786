import VARKernels

/// Receives the intermediate tensors of a run.
package protocol TraceSink: AnyObject {
  func record(_ name: String, shape: [Int], floats: UnsafePointer<Float>)

  /// Makes room for a tensor whose elements come part by part.
  func begin(_ name: String, shape: [Int])

  /// Puts elements of a tensor that has begun to their place, `first` elements behind its beginning.
  func put(_ name: String, at first: Int, _ floats: UnsafeBufferPointer<Float>)
}

extension TraceSink {
  /// Records rows `[count, columns]`, or those of several branches `[branches, count / branches, columns]`.
  package func record(_ name: String, _ rows: Rows, branches: Int? = nil) {
    let shape = branches.map { [$0, rows.count / $0, rows.columns] } ?? [rows.count, rows.columns]
    precondition(rows.isContiguous, "a trace of rows with gaps")
    record(name, shape: shape, floats: rows.pointer)
  }
}

/// What every forward pass of one request shares.
package struct RunContext {
  package let compute: Compute
  package let trace: (any TraceSink)?
  /// Asked before every layer.
  package let isCancelled: () -> Bool
  /// Called before every layer.
  package let layerBegins: () -> Void

  /// - Parameter observer: sees the inputs of all linear layers, those of convolutions not included.
  package init(
    compute: Compute, trace: (any TraceSink)? = nil, observer: (any LinearObserver)? = nil,
    isCancelled: @escaping () -> Bool = { false }, layerBegins: @escaping () -> Void = {}
  ) {
    self.compute = observer.map(compute.observed) ?? compute
    self.trace = trace
    self.isCancelled = isCancelled
    self.layerBegins = layerBegins
  }

  func checkCancellation() throws(ModelError) {
    if isCancelled() { throw ModelError.cancelled }
    layerBegins()
  }
}
