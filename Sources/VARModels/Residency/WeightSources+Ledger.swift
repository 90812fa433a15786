extension WeightSources {
  /// Memory that parts take where they are kept.
  package func memoryBytes(of parts: Set<WeightPart>, _ residency: WeightResidency) -> Int {
    parts.reduce(0) { sum, part in
      let block = residency == .map ? blocks.compressed(part) : blocks[part]
      return sum + (block?.memoryBytes ?? 0)
    }
  }

  package var retainedBytes: Int { 0 }
  package func releaseUnused() {}
}
