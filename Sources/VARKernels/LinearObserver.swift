/// Which linear layer of a model a product is of: the number of its weight in the source of the weights.
package struct LinearSite: Hashable, Sendable {
  package let tensor: Int

  package init(tensor: Int) { self.tensor = tensor }
}

/// Sees what goes into the linear layers of a run, for calibration and traces.
package protocol LinearObserver: AnyObject {
  /// Called once for each layer and block of rows, before the product, on the thread that runs the pass.
  ///
  /// - Parameter input: valid during the call alone.
  func observe(_ site: LinearSite, _ input: Rows)
}
