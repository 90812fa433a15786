import VARModels

/// Where a model's weights are while a request runs. Results are the same with all.
public enum Residency: String, Sendable, CaseIterable {
  /// For each request what suits the memory: `map` where all weights fit, else `stream`.
  case automatic
  /// In place in the mapped file, whose pages the system reads when they are touched and takes back when it needs their
  /// memory; compressed streams are decoded once and kept.
  case map
  /// Read and decoded into memory before they are used, by all cores, past the page cache. Ends a request with an error
  /// instead of a signal where the file cannot be read, and checks the hash of every chunk of it. Not checked are the
  /// hashes of whole tensors, and the rows of an embedding that is not compressed; `varlite verify` checks all.
  case load
  /// As many as the budget allows in memory as with `load`; the others pass through a small buffer, read again for
  /// every pass of the networks, ahead of the compute. One request at a time: a second one waits for the first to end.
  case stream

  /// nil where the request decides.
  var fixed: WeightResidency? { WeightResidency(rawValue: rawValue) }
}
