import VARKernels

extension ModelWeights {
  /// Name of the weight of a linear layer that an observer has seen.
  package func name(of site: LinearSite) -> String {
    source.directory.description(ofTensor: site.tensor).name
  }
}
