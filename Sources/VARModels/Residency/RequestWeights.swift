import VQ4Format

/// The weights of one request, which may change from one source to another between two phases.
package final class RequestWeights: WeightSource {
  private let sources: WeightSources
  private var residency: WeightResidency
  private var source: any WeightSource

  package init(_ sources: WeightSources, _ residency: WeightResidency = .map) {
    self.sources = sources
    self.residency = residency
    source = sources.source(residency)
  }

  /// Says where the weights of the following phases are.
  package func use(_ residency: WeightResidency, for request: WeightRequest) {
    guard residency != self.residency else { return }
    source.end(request)
    sources.forget(self.residency)
    self.residency = residency
    source = sources.source(residency)
  }

  package var directory: any TensorDirectory { source.directory }
  package var blocks: WeightBlocks? { source.blocks }

  package func begin(
    _ plan: WeightPlan, for request: WeightRequest, progress: (Int, Int) -> Void
  ) throws(ModelError) {
    try source.begin(plan, for: request, progress: progress)
  }

  package func end(_ request: WeightRequest) { source.end(request) }
  package func acquire(_ part: WeightPart) throws(ModelError) { try source.acquire(part) }
  package func release(_ part: WeightPart) { source.release(part) }
  package func stream(_ tensor: Int, _ role: VQ4StreamRole) -> UnsafeRawPointer {
    source.stream(tensor, role)
  }
  package func stream(_ tensor: Int, _ role: VQ4StreamRole, slab: Int) -> UnsafeRawPointer {
    source.stream(tensor, role, slab: slab)
  }
  package func read(
    unit: Int, of tensor: Int, _ role: VQ4StreamRole, into output: UnsafeMutableRawBufferPointer
  ) throws(ModelError) {
    try source.read(unit: unit, of: tensor, role, into: output)
  }
}
